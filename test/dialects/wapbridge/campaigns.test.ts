import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildInstance } from '../fake-core.ts';
import { type TestGateway, request, rpc, startGateway, tokenOf } from '../gateway.ts';
import { batch, campaigns, create, post } from './campaign-calls.ts';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

const made = () => gateway.core.created[0];
const phones = () => gateway.core.phones.get('WAP-CAM-0001');

describe('create_and_start_campaign', () => {
  it('answers as documented, at the top level and under message', async () => {
    const reply = await rpc(gateway, create, batch);
    expect(reply.status).toBe(200);
    const { message, ...top } = reply.body;
    expect(top).toEqual({
      ok: true,
      campaign: 'WAP-CAM-0001',
      status: 'running',
      total: 2,
      queued: 2,
      duplicates: 0,
      invalid: [],
      invalid_count: 0,
      opted_out: 0,
      warnings: [],
    });
    expect(message).toEqual(top);
    expect(made()).toEqual({ name: 'Promo Batch A', message: 'Hello from WapBridge', start: true });
    expect(phones()).toEqual(['255757111111', '255757222222']);
  });

  it('counts numbers given twice and lists those that are none', async () => {
    const recipients = ['255757111111', '+255 757 111 111', 255757222222, 'hello', null, { name: 'nobody' }, true, [1]];
    const { body } = await rpc(gateway, create, { ...batch, recipients });
    expect(body).toMatchObject({ total: 2, queued: 2, duplicates: 1, invalid_count: 5 });
    expect(body.invalid.map(({ number }: { number: string }) => number)).toEqual(['hello', 'null', '', 'true', '[1]']);
    expect(body.invalid[0].reason).toBe('is not a valid phone number');
  });

  it('reads numbers and fields of objects under their many names', async () => {
    const recipients = [
      { phone_number: '255757111111', variables: { name: 'Asha' } },
      { to_number: '255757222222', Name: 'Juma' },
      { mobile_no: 255757333333, name: 'Neema', time_zone: 'Africa/Nairobi' },
      { Phone: '255757444444', to: 'nobody', name: 'Zawadi' },
    ];
    const { body } = await rpc(gateway, create, { ...batch, message: 'Hi {{name}}', recipients });
    expect(body).toMatchObject({ total: 4, invalid: [] });
  });

  it('hands over the plan in the core’s words', async () => {
    const reply = await rpc(gateway, create, {
      ...batch,
      variables: { shop: 'Duka', discount: 5, nothing: null },
      country: 'tz',
      schedule_at: '2026-12-01T09:00:00+03:00',
      end_at: '2026-12-05 18:30:00',
      window: { days: ['mon', 'Tuesday', 5, '0'], from: '09:00:00', to: '17:30' },
      pacing: { median_seconds: 2, daily_cap: 50, warm_up: 0, break_every_max: 0 },
      quiet_hours: { from: '21:00', to: '08:00' },
      recipient_events: 1,
      start: 'no',
    });
    expect(reply.body).toMatchObject({ ok: true, status: 'draft' });
    expect(made()).toEqual({
      name: 'Promo Batch A',
      message: 'Hello from WapBridge',
      variables: { shop: 'Duka', discount: 5 },
      country: 'TZ',
      scheduleAt: Date.parse('2026-12-01T06:00:00Z'),
      // Without an offset: the zone of +255.
      endAt: Date.parse('2026-12-05T15:30:00Z'),
      window: { days: [1, 2, 5, 0], from: '09:00', to: '17:30', zone: 'Africa/Dar_es_Salaam' },
      pacing: {
        medianMs: 2_000,
        minMs: 1_000,
        maxMs: 150_000,
        breakEveryMin: 0,
        breakEveryMax: 0,
        dailyCap: 50,
        warmUp: false,
      },
      quietHours: { from: '21:00', to: '08:00' },
      recipientEvents: true,
      start: false,
    });
  });

  it.each([
    [{ window: { cron: '* 9-16 * * 1-5', zone: 'UTC' } }, { window: { cron: '* 9-16 * * 1-5', zone: 'UTC' } }],
    [{ quiet_hours: false }, { quietHours: null }],
    [{ quiet_hours: 'off' }, { quietHours: null }],
    [{ schedule_at: 1_767_791_640 }, { scheduleAt: 1_767_791_640_000 }],
    [{ schedule_at: '2026-12-01' }, { scheduleAt: Date.parse('2026-11-30T21:00:00Z') }],
    [{ window: null, pacing: '', quiet_hours: '', schedule_at: '', end_at: null }, {}],
  ])('reads %j', async (fields, expected) => {
    const reply = await rpc(gateway, create, { ...batch, ...fields });
    expect(reply.body.message).toMatchObject({ ok: true });
    expect(made()).toEqual({ name: 'Promo Batch A', message: batch.message, start: true, ...expected });
  });

  it('takes a file once for everybody, with the message as its caption', async () => {
    const file = { media_data: 'JVBERi0xLjQ=', mime_type: 'application/pdf', filename: 'offer.pdf' };
    await rpc(gateway, create, { ...batch, ...file });
    expect(made()).toMatchObject({
      message: 'Hello from WapBridge',
      media: { source: { base64: 'JVBERi0xLjQ=' }, mimeType: 'application/pdf', filename: 'offer.pdf' },
    });
    await rpc(gateway, create, { ...batch, message: '', media_url: 'https://example.com/a.png' });
    expect(gateway.core.created[1]).toMatchObject({
      message: '',
      media: { source: { url: 'https://example.com/a.png' } },
    });
  });

  it('may be a form, with lists and objects as JSON texts, as Frappe’s client sends it', async () => {
    const form = new URLSearchParams({
      instance_id: batch.instance_id,
      message: 'Hi',
      recipients: JSON.stringify(batch.recipients),
      pacing: '{"daily_cap": 10}',
      window: '{"cron":"* * * * *"}',
      quiet_hours: '{"from":"22:00","to":"07:00"}',
    });
    expect((await post(gateway, create, form)).body).toMatchObject({ total: 2 });
    expect(made()).toMatchObject({ pacing: { dailyCap: 10 }, quietHours: { from: '22:00' } });
    form.set('recipients', '255757111111, 255757222222\n255757333333');
    expect((await post(gateway, create, form)).body).toMatchObject({ total: 3 });
  });

  it('may be a multipart form with the list as a CSV file', async () => {
    const form = new FormData();
    form.set('instance_id', batch.instance_id);
    form.set('message', 'Hi {{first name}}');
    form.set(
      'recipients',
      new File(['\uFEFFMobile No;First Name\r\n0757111111;Asha\r\n0757222222;"Juma; Jr."\r\n'], 'list.csv'),
    );
    form.set('file', new File([new Uint8Array([0xff, 0xd8, 0xff, 0])], 'photo.jpg', { type: 'image/jpeg' }));
    const reply = await post(gateway, create, form);
    expect(reply.body).toMatchObject({ ok: true, total: 2 });
    expect(phones()).toEqual(['255757111111', '255757222222']);
    expect(made()?.media).toEqual({ source: { base64: '/9j/AA==' }, mimeType: 'image/jpeg', filename: 'photo.jpg' });
  });

  it('may be CSV as the body, with the rest in the query', async () => {
    const query = new URLSearchParams({ instance_id: batch.instance_id, message: 'Hi {{name}}' });
    const reply = await post(gateway, `${create}?${query}`, 'phone_number,name\n255757111111,Asha\n', {
      'Content-Type': 'text/csv',
    });
    expect(reply.body).toMatchObject({ ok: true, total: 1 });
  });

  it('may be called through cmd, with the method in the body', async () => {
    const reply = await request(`${gateway.url}/`, {
      method: 'POST',
      headers: { Authorization: tokenOf('full'), 'Content-Type': 'application/json' },
      body: JSON.stringify({ cmd: create, ...batch }),
    });
    expect(reply.body).toMatchObject({ ok: true, total: 2 });
  });

  it('takes lists that are larger than any other body', async () => {
    await gateway.close();
    gateway = await startGateway({ bodyMaxBytes: 64 * 1024, uploadMaxBytes: 8 * 1024 * 1024 });
    const recipients = Array.from({ length: 200_000 }, (_, index) => String(255757000000 + index));
    const reply = await rpc(gateway, create, { ...batch, recipients });
    expect(reply.body).toMatchObject({ ok: true, total: 200_000 });
    const large = await rpc(gateway, create, { ...batch, message: 'x'.repeat(70_000), recipients });
    expect([large.status, large.body.exc_type]).toEqual([413, 'RequestEntityTooLarge']);
  });
});

describe('simulate', () => {
  it('tells how a campaign would go, without making one', async () => {
    const reply = await rpc(gateway, `${campaigns}.simulate`, batch);
    expect(reply.body.message).toEqual({
      ok: true,
      finishes_at: '2026-01-07T13:14:00.000Z',
      days: [{ date: '2026-01-07', count: 2 }],
      total: 2,
      duplicates: 0,
      invalid: [],
      invalid_count: 0,
      warnings: [],
    });
    expect(gateway.core.campaignRows).toEqual([]);
  });
});

describe('the instance of a campaign', () => {
  it('is named, or the only one', async () => {
    const { instance_id: _, ...rest } = batch;
    expect((await rpc(gateway, create, rest)).body).toMatchObject({ ok: true });
    expect((await rpc(gateway, create, { ...batch, instance_id: 'INST-01-0000999' })).status).toBe(404);
    gateway.core.instanceRows.push(buildInstance({ id: 'INST-02-0000143', phone: '255700000001' }));
    expect((await rpc(gateway, create, rest)).body.choices).toEqual(['INST-01-0000142', 'INST-02-0000143']);
    expect((await rpc(gateway, create, { ...rest, from_number: '+255700000001' })).body).toMatchObject({ ok: true });
  });
});

describe('a client that gives up', () => {
  it('while its list is read leaves no campaign', async () => {
    const recipients = Array.from({ length: 300_000 }, (_, index) => String(255757000000 + index));
    const gone = new AbortController();
    const body = JSON.stringify({ ...batch, recipients });
    const reply = fetch(`${gateway.url}/api/method/${create}`, {
      method: 'POST',
      headers: { Authorization: tokenOf('full'), 'Content-Type': 'application/json' },
      body,
      signal: gone.signal,
    });
    while (gateway.core.created.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    gone.abort();
    await expect(reply).rejects.toThrow();
    const lines = () => gateway.logLines().filter((line) => line.msg === 'request');
    while (lines().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(gateway.core.campaignRows).toEqual([]);
    expect(gateway.logLines().filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });
});
