import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestGateway, rpc, startGateway } from '../gateway.ts';
import { batch, campaigns, create, post } from './campaign-calls.ts';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

describe('a campaign', () => {
  beforeEach(() => rpc(gateway, create, batch));
  const campaign = 'WAP-CAM-0001';
  const call = (method: string, body: object = {}) => rpc(gateway, `${campaigns}.${method}`, { campaign, ...body });

  it('gets more recipients', async () => {
    const recipients = [{ phone_number: '255757333333' }, { to_number: '255757444444' }, '255757111111'];
    expect((await call('add_campaign_recipients', { recipients })).body).toMatchObject({
      ok: true,
      campaign,
      status: 'running',
      total: 4,
      queued: 2,
      duplicates: 1,
      invalid: [],
    });
  });

  it('gets more recipients from a file, under either name', async () => {
    for (const [index, name] of ['recipients', 'file'].entries()) {
      const form = new FormData();
      form.set('campaign', campaign);
      form.set(name, new File([`phone\n25575755555${index}\n`], 'list.csv', { type: 'text/csv' }));
      expect((await post(gateway, `${campaigns}.add_campaign_recipients`, form)).body).toMatchObject({ queued: 1 });
    }
    expect((await call('add_campaign_recipients')).body.message).toBe('recipients is required');
  });

  it('shows its counters by themselves and together', async () => {
    const { body } = await call('campaign_status');
    const counters = {
      total: 2,
      queued: 2,
      sending: 0,
      sent: 0,
      delivered: 0,
      read: 0,
      failed: 0,
      skipped: 0,
      uncertain: 0,
      cancelled: 0,
    };
    expect(body.message).toEqual({
      ok: true,
      campaign,
      campaign_name: 'Promo Batch A',
      instance_id: 'INST-01-0000142',
      status: 'running',
      hold: null,
      hold_until: null,
      pause_reason: null,
      ...counters,
      counters,
      duplicates: 0,
      invalid_count: 0,
      rate_per_minute: 1.5,
      next_send_at: null,
      eta_at: null,
      schedule_at: null,
      end_at: null,
      created_at: '2026-01-07T13:14:00.000Z',
      started_at: null,
      finished_at: null,
    });
  });

  it('is paused, resumed and cancelled, each as often as one likes', async () => {
    for (const [method, status] of [
      ['pause_campaign', 'paused'],
      ['pause_campaign', 'paused'],
      ['resume_campaign', 'running'],
      ['resume_campaign', 'running'],
      ['cancel_campaign', 'cancelled'],
      ['cancel_campaign', 'cancelled'],
    ] as const) {
      const reply = await call(method);
      expect([reply.status, reply.body.status], method).toEqual([200, status]);
    }
    const late = await call('add_campaign_recipients', { recipients: ['255757999999'] });
    expect([late.status, late.body.code]).toEqual([417, 'conflict']);
  });

  it('cannot be paused when it has ended', async () => {
    gateway.core.campaignRows[0]!.state = 'completed';
    const reply = await call('pause_campaign');
    expect([reply.status, reply.body.code]).toEqual([417, 'conflict']);
    expect(reply.body.message).toMatch(/WAP-CAM-0001 is completed/);
  });

  it('is nobody else’s', async () => {
    for (const method of [
      'campaign_status',
      'pause_campaign',
      'cancel_campaign',
      'campaign_recipients',
      'retry_failed',
    ]) {
      const reply = await rpc(gateway, `${campaigns}.${method}`, { campaign }, { token: 'other' });
      expect([reply.status, reply.body.exc_type], method).toEqual([404, 'DoesNotExistError']);
      expect((await call(method, { campaign: 'WAP-CAM-9999' })).status, method).toBe(404);
    }
  });

  it('lists its recipients page by page', async () => {
    const first = await call('campaign_recipients', { limit: 1 });
    expect(first.body.message).toEqual({
      ok: true,
      campaign,
      recipients: [
        { phone_number: '255757111111', status: 'queued', reason: null, message_id: null, changed_at: null },
      ],
      next: '0:0',
    });
    const second = await call('campaign_recipients', { limit: 1, after: '0:0', status: 'queued' });
    expect(second.body).toMatchObject({ recipients: [{ phone_number: '255757222222' }], next: null });
    expect((await call('campaign_recipients', { after: 'x' })).status).toBe(417);
    expect((await call('campaign_recipients', { status: 'lost' })).status).toBe(417);
  });

  it('tries the failed again', async () => {
    expect((await call('retry_failed')).body).toMatchObject({ ok: true, retried: 3, campaign, status: 'running' });
  });

  it('is listed, newest first, page by page', async () => {
    await rpc(gateway, create, { ...batch, campaign_name: 'B' });
    const first = await rpc(gateway, `${campaigns}.list_campaigns`, { limit: 1 });
    expect(first.body).toMatchObject({ campaigns: [{ campaign: 'WAP-CAM-0002' }], next: 'WAP-CAM-0002' });
    const rest = await rpc(gateway, `${campaigns}.list_campaigns`, { before: 'WAP-CAM-0002' });
    expect(rest.body).toMatchObject({ campaigns: [{ campaign }], next: null });
    expect((await rpc(gateway, `${campaigns}.list_campaigns`, { status: 'paused' })).body.campaigns).toEqual([]);
    expect((await rpc(gateway, `${campaigns}.list_campaigns`, {}, { token: 'other' })).body.campaigns).toEqual([]);
  });
});
