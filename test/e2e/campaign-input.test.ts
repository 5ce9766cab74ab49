import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const api = 'wap_bridge.api.campaigns';
const alwaysOpen = { days: [0, 1, 2, 3, 4, 5, 6], from: '00:00', to: '24:00', zone: 'UTC' };

forEachDatabase((open) => {
  let opened: TestDatabase;
  let gateway: TestGateway;
  let batch: Record<string, unknown>;

  beforeAll(async () => {
    opened = await open();
    gateway = await startGateway(opened.url, { BODY_MAX_BYTES: '1048576', UPLOAD_MAX_BYTES: '8388608' });
    const created = await gateway.call('wap_bridge.api.instances.create_instance', { default_country: 'TZ' });
    batch = {
      instance_id: created.json.instance_id,
      message: 'Hi {{name|you}}',
      recipients: ['0757111111', '0757222222'],
      quiet_hours: false,
    };
  });

  afterAll(async () => {
    await gateway?.stop();
    await opened?.drop();
  });

  const call = (method: string, body: object) => gateway.call(`${api}.${method}`, body as Record<string, unknown>);
  const make = async (fields: object = {}) => (await call('create_and_start_campaign', { ...batch, ...fields })).json;
  const listed = async () => (await call('list_campaigns', { limit: 1000 })).json.campaigns.length as number;

  it('takes lists with numbers given twice and numbers that are none, and answers what it took', async () => {
    const recipients = ['0757111111', '+255 757 111 111', { phone_number: 255757222222 }, 'hello', {}, '12'];
    const made = await make({ recipients });
    expect(made).toMatchObject({ ok: true, status: 'running', total: 2, queued: 2, duplicates: 1, invalid_count: 3 });
    expect(made.warnings.join()).toMatch(/not connected/);
    const { json } = await call('campaign_status', { campaign: made.campaign });
    expect(json).toMatchObject({ hold: 'disconnected', total: 2, queued: 2, duplicates: 1, invalid_count: 3 });
    const added = await call('add_campaign_recipients', {
      campaign: made.campaign,
      recipients: ['0757333333', '0757222222'],
    });
    expect(added.json).toMatchObject({ total: 3, queued: 1, duplicates: 1 });
    const page = await call('campaign_recipients', { campaign: made.campaign, limit: 2 });
    const rest = await call('campaign_recipients', { campaign: made.campaign, after: page.json.next });
    const phones = [...page.json.recipients, ...rest.json.recipients].map((row) => row.phone_number);
    expect(phones.toSorted()).toEqual(['255757111111', '255757222222', '255757333333']);
  });

  it.each([
    ['an empty list', { recipients: [] }],
    ['a list without a number', { recipients: ['hello'] }],
    ['a template that does not parse', { message: 'Hi {{name' }],
    [
      'a recipient without a field',
      { message: 'Hi {{name}}', recipients: [{ phone_number: '0757111111', name: 'A' }, '0757222222'] },
    ],
    ['a window that never opens', { window: { ...alwaysOpen, from: '09:00', to: '09:00' } }],
    [
      'a window within the quiet hours',
      { window: { ...alwaysOpen, from: '01:00', to: '02:00', zone: 'Africa/Dar_es_Salaam' }, quiet_hours: undefined },
    ],
    ['an impossible cron', { window: { cron: '* * 31 2 *', zone: 'UTC' } }],
    ['a zone that is none', { window: { ...alwaysOpen, zone: 'Mars/Olympus' } }],
    ['an end before the start', { schedule_at: '2099-01-02', end_at: '2099-01-01' }],
    ['an end that is over', { end_at: '2020-01-01T00:00:00Z' }],
    ['bounds the wrong way round', { pacing: { min_seconds: 20, max_seconds: 10 } }],
  ])('refuses %s, and nothing is left of it', async (_what, fields) => {
    const before = await listed();
    const { status, json } = await call('create_and_start_campaign', { ...batch, ...fields });
    expect([status, json.ok, json.code]).toEqual([417, false, 'invalid_input']);
    expect(json.message.length).toBeGreaterThan(15);
    expect(await listed()).toBe(before);
  });

  it('refuses broken lists and bodies that are too large, and nothing is left of them', async () => {
    const before = await listed();
    const post = async (body: string) => {
      const response = await fetch(`${gateway.app.url}/api/method/${api}.create_and_start_campaign`, {
        method: 'POST',
        headers: { Authorization: `token ${gateway.token}`, 'Content-Type': 'application/json' },
        body,
      });
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    const good = Array.from({ length: 30_000 }, (_, index) => `"${255757000000 + index}"`).join(',');
    const head = JSON.stringify({ ...batch, recipients: undefined }).slice(0, -1);
    expect(await post(`${head},"recipients":[${good},"25575`)).toEqual([400, 'malformed_body']);
    expect(await post(`${head},"recipients":[${good} "x"]}`)).toEqual([400, 'malformed_body']);
    expect(await post(`${head},"recipients":[${good}],"note":"${'x'.repeat(9_000_000)}"}`)).toEqual([413, 'too_large']);
    expect(await listed()).toBe(before);
  });

  it('takes no number for what it refuses, be it refused at the first recipient or at the last', async () => {
    const numberOf = (campaign: string) => Number(campaign.slice('WAP-CAM-'.length));
    const first = numberOf((await make()).campaign);
    const many = Array.from({ length: 10_000 }, (_, index) => ({ phone_number: 255757000000 + index, name: 'A' }));
    for (const refused of [
      { recipients: ['hello'] },
      { message: 'Hi {{name}}' },
      { message: 'Hi {{name}}', recipients: [...many, '0757222222'] },
    ])
      expect((await make(refused)).ok).toBe(false);
    expect(numberOf((await make()).campaign)).toBe(first + 1);
  });

  it('knows no campaign that is not there', async () => {
    for (const method of ['campaign_status', 'pause_campaign', 'resume_campaign', 'cancel_campaign', 'retry_failed'])
      for (const campaign of ['WAP-CAM-9999', 'hello', '0'])
        expect((await call(method, { campaign })).status, `${method} ${campaign}`).toBe(404);
  });

  it('pauses, resumes and cancels as often as it is asked, and refuses what comes too late', async () => {
    const { campaign } = await make();
    const steps = ['resume', 'pause', 'pause', 'resume', 'resume', 'cancel', 'cancel'];
    const states = [];
    for (const step of steps) states.push((await call(`${step}_campaign`, { campaign })).json.status);
    expect(states).toEqual(['running', 'paused', 'paused', 'running', 'running', 'cancelled', 'cancelled']);
    for (const step of ['pause', 'resume']) {
      const { status, json } = await call(`${step}_campaign`, { campaign });
      expect([status, json.code]).toEqual([417, 'conflict']);
    }
    const { json } = await call('campaign_status', { campaign });
    expect(json).toMatchObject({ total: 2, queued: 0, cancelled: 2, finished_at: expect.any(String) });
  });

  it('waits for its time, and a draft for its start', async () => {
    const later = await make({ schedule_at: '2099-01-01 09:00:00' });
    expect(later.status).toBe('scheduled');
    const { json } = await call('campaign_status', { campaign: later.campaign });
    expect(json.next_send_at).toBe('2099-01-01T09:00:00.000Z');
    const draft = await make({ start: false });
    expect(draft.status).toBe('draft');
    expect((await call('resume_campaign', { campaign: draft.campaign })).json.status).toBe('running');
  });

  it('tells how a campaign would go without making one', async () => {
    const before = await listed();
    const recipients = Array.from({ length: 200 }, (_, index) => String(255757000000 + index));
    const { json } = await call('simulate', { ...batch, recipients, pacing: { warm_up: false } });
    expect(json).toMatchObject({ ok: true, total: 200, finishes_at: expect.any(String) });
    const counts = json.days.map((day: { count: number }) => day.count);
    expect(Math.max(...counts)).toBeLessThanOrEqual(60);
    expect(counts.reduce((sum: number, count: number) => sum + count, 0)).toBe(200);
    expect(await listed()).toBe(before);
  });

  it('never writes to who opted out', async () => {
    await call('add_opt_outs', { numbers: ['0757222222'], country: 'TZ' });
    expect(await make()).toMatchObject({ total: 2, queued: 1, opted_out: 1 });
    await call('remove_opt_outs', { numbers: ['255757222222'] });
    expect(await make()).toMatchObject({ total: 2, queued: 2, opted_out: 0 });
  });

  it('keeps the pacing of a number', async () => {
    const settings = 'wap_bridge.api.settings';
    const { instance_id } = batch;
    const set = await gateway.call(`${settings}.set_pacing`, {
      instance_id,
      pacing: { median_seconds: 1, daily_cap: 900 },
    });
    expect(set.json.warnings).toHaveLength(3);
    const { json } = await gateway.call(`${settings}.get_pacing`, { instance_id });
    expect(json.pacing).toMatchObject({ median_seconds: 1, min_seconds: 0.5, daily_cap: 900, new_chat_cap: 60 });
    await gateway.call(`${settings}.set_pacing`, { instance_id, pacing: null });
  });

  it('ends the campaigns of an instance that is deleted', async () => {
    const created = await gateway.call('wap_bridge.api.instances.create_instance', { default_country: 'TZ' });
    const { instance_id } = created.json;
    const { campaign } = await make({ instance_id });
    expect((await gateway.call('wap_bridge.api.instances.delete_instance', { instance_id })).status).toBe(200);
    await until('the campaign has failed', async () => {
      const { json } = await call('campaign_status', { campaign });
      return json.status === 'failed' && json.queued === 0;
    });
    const { json } = await call('campaign_status', { campaign });
    expect(json).toMatchObject({ status: 'failed', pause_reason: 'instance_deleted', total: 2 });
    const late = await call('add_campaign_recipients', { campaign, recipients: ['0757999999'] });
    expect(late.status).toBeGreaterThanOrEqual(404);
  });
});
