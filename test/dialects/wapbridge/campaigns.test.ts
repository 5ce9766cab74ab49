import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildInstance } from '../fake-core.ts';
import { type TestGateway, request, rpc, startGateway, tokenOf } from '../gateway.ts';

const campaigns = 'wap_bridge.api.campaigns';
const create = `${campaigns}.create_and_start_campaign`;
const add = `${campaigns}.add_campaign_recipients`;
const batch = {
  instance_id: 'INST-01-0000142',
  campaign_name: 'Promo Batch A',
  message: 'Hello from WapBridge',
  recipients: ['255757111111', '255757222222'],
};

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

const made = () => gateway.core.created[0];
const phones = (id = 'WAP-CAM-0001') => gateway.core.phones.get(id);

function post(method: string, body: BodyInit, headers: Record<string, string> = {}) {
  return request(`${gateway.url}/api/method/${method}`, {
    method: 'POST',
    headers: { Authorization: tokenOf('full'), ...headers },
    body,
  });
}

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
    expect((await post(create, form)).body).toMatchObject({ total: 2 });
    expect(made()).toMatchObject({ pacing: { dailyCap: 10 }, quietHours: { from: '22:00' } });
    form.set('recipients', '255757111111, 255757222222\n255757333333');
    expect((await post(create, form)).body).toMatchObject({ total: 3 });
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
    const reply = await post(create, form);
    expect(reply.body).toMatchObject({ ok: true, total: 2 });
    expect(phones()).toEqual(['255757111111', '255757222222']);
    expect(made()?.media).toEqual({ source: { base64: '/9j/AA==' }, mimeType: 'image/jpeg', filename: 'photo.jpg' });
  });

  it('may be CSV as the body, with the rest in the query', async () => {
    const query = new URLSearchParams({ instance_id: batch.instance_id, message: 'Hi {{name}}' });
    const reply = await post(`${create}?${query}`, 'phone_number,name\n255757111111,Asha\n', {
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

describe('bad input', () => {
  it.each([
    ['no message', { message: '' }, 'message is required', 'MandatoryError'],
    ['no recipients', { recipients: undefined }, 'recipients is required', 'MandatoryError'],
    ['an empty list', { recipients: [] }, 'is empty', 'MandatoryError'],
    ['an empty text of recipients', { recipients: '' }, 'is empty', 'MandatoryError'],
    ['recipients of a wrong type', { recipients: { a: 1 } }, 'recipients must be a list', 'ValidationError'],
    ['only bad numbers', { recipients: ['hello', ''] }, 'no number that can be written to', 'ValidationError'],
    ['a template that does not parse', { message: 'Hi {name}' }, 'at character 4', 'ValidationError'],
    ['a missing variable', { message: 'Hi {{name}}' }, '255757111111 has no name', 'ValidationError'],
    ['a bad time', { schedule_at: 'tomorrow' }, 'schedule_at must be a time', 'ValidationError'],
    ['a bad day', { window: { days: ['funday'], from: '9:00', to: '10:00' } }, 'not a weekday', 'ValidationError'],
    ['no day', { window: { days: [], from: '9:00', to: '10:00' } }, 'never opens', 'ValidationError'],
    ['half a window', { window: { from: '9:00' } }, 'needs from and to', 'ValidationError'],
    ['two windows', { window: { cron: '* * * * *', from: '9:00', to: '10:00' } }, 'not both', 'ValidationError'],
    ['a bad clock', { window: { from: '9 am', to: '10:00' } }, 'must be a time such as 09:00', 'ValidationError'],
    ['bad quiet hours', { quiet_hours: 'night' }, 'quiet_hours must be an object with from and to', 'ValidationError'],
    ['half of them', { quiet_hours: { from: '20:00' } }, 'quiet_hours.to is required', 'MandatoryError'],
    ['a bad pacing', { pacing: { daily_cap: 0 } }, 'pacing.daily_cap', 'ValidationError'],
    ['two files', { media_data: 'AAAA', media_url: 'https://example.com/a' }, 'once', 'ValidationError'],
  ])('%s is refused in words', async (_what, fields, sentence, type) => {
    const reply = await rpc(gateway, create, { ...batch, ...fields });
    expect([reply.status, reply.body.exc_type]).toEqual([417, type]);
    expect(reply.body.message).toContain(sentence);
    expect(gateway.core.campaignRows).toEqual([]);
  });

  it('lists the numbers that could not be taken when none could', async () => {
    const { body } = await rpc(gateway, create, { ...batch, recipients: ['hello'] });
    expect(body.invalid).toEqual([{ number: 'hello', reason: 'is not a valid phone number' }]);
  });

  it('a table without a column of numbers is refused with its columns', async () => {
    const query = new URLSearchParams({ message: 'Hi' });
    const reply = await post(`${create}?${query}`, 'name,city\nAsha,Dar\n', { 'Content-Type': 'text/csv' });
    expect(reply.status).toBe(417);
    expect(reply.body.message).toMatch(/phone_number; its columns are name, city/);
  });

  it('broken JSON is refused, before or within the list', async () => {
    for (const broken of ['{"message":"Hi","recipients":["1",', '{"message":"Hi","recipients":["255757111111" "2"]}']) {
      const reply = await post(create, broken, { 'Content-Type': 'application/json' });
      expect([reply.status, reply.body.code]).toEqual([400, 'malformed_body']);
    }
  });

  it('a body of 200 MB is refused before it is read, and the connection lives', async () => {
    const reply = await post(create, new Uint8Array(40 * 1024 * 1024), { 'Content-Type': 'application/json' });
    expect([reply.status, reply.body.exc_type]).toEqual([413, 'RequestEntityTooLarge']);
    expect((await rpc(gateway, create, batch)).status).toBe(200);
  });

  it('a body without a length is cut off where it is too large', async () => {
    await gateway.close();
    gateway = await startGateway({ uploadMaxBytes: 2 * 1024 * 1024 });
    let left = 200;
    const long = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(Buffer.from('"255757111111",'.repeat(4_000)));
        if ((left -= 1) === 0) controller.close();
      },
    });
    const reply = await request(`${gateway.url}/api/method/${create}`, {
      method: 'POST',
      headers: { Authorization: tokenOf('full'), 'Content-Type': 'application/json' },
      body: long,
      duplex: 'half',
    } as RequestInit).catch((error: unknown) => error);
    // A client that goes on sending may see the cut before the answer.
    if (!(reply instanceof Error)) expect(reply).toMatchObject({ status: 413 });
    expect((await rpc(gateway, create, batch)).status).toBe(200);
  });

  it('a send-only token may not start campaigns, a guest neither', async () => {
    expect((await rpc(gateway, create, batch, { token: 'send' })).status).toBe(403);
    expect((await rpc(gateway, create, batch, { token: null })).status).toBe(403);
  });

  it('nothing that follows a link starts one', async () => {
    const query = new URLSearchParams({ message: 'Hi', recipients: '["255757111111"]' });
    const reply = await request(`${gateway.url}/api/method/${create}?${query}`, {
      headers: { Authorization: tokenOf('full') },
    });
    expect(reply.status).toBe(403);
  });
});

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
      expect((await post(add, form)).body).toMatchObject({ queued: 1 });
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

describe('opt-outs', () => {
  it('are added, listed and removed', async () => {
    const numbers = ['0757 111 111', '+255757222222'];
    expect((await rpc(gateway, `${campaigns}.add_opt_outs`, { numbers, country: 'TZ' })).body.phone_numbers).toEqual([
      '255757111111',
      '255757222222',
    ]);
    const listed = await rpc(gateway, `${campaigns}.list_opt_outs`, { limit: 1 });
    expect(listed.body).toMatchObject({
      opt_outs: [{ phone_number: '255757111111', source: 'api', opted_out_at: '2026-01-07T13:14:00.000Z' }],
      next: '255757111111',
    });
    await rpc(gateway, `${campaigns}.remove_opt_outs`, { numbers: '255757111111' });
    expect((await rpc(gateway, `${campaigns}.list_opt_outs`, {})).body.opt_outs).toHaveLength(1);
    expect((await rpc(gateway, `${campaigns}.add_opt_outs`, { numbers: ['x'] })).status).toBe(417);
  });

  it('go by words that the account can set', async () => {
    const settings = 'wap_bridge.api.settings';
    expect((await rpc(gateway, `${settings}.get_opt_out_words`, {})).body.stop).toContain('stop');
    const set = await rpc(gateway, `${settings}.set_opt_out_words`, { stop: ['NO PROMO'], confirmation: false });
    expect(set.body).toMatchObject({ stop: ['NO PROMO'], confirmation: null });
    expect(set.body.start).toContain('start');
    expect((await rpc(gateway, `${settings}.set_opt_out_words`, {})).body.stop).toContain('stop');
  });
});

describe('the pacing of an instance', () => {
  const settings = 'wap_bridge.api.settings';

  it('is shown and set in seconds', async () => {
    const instance_id = 'INST-01-0000142';
    expect((await rpc(gateway, `${settings}.get_pacing`, { instance_id })).body).toMatchObject({
      instance_id,
      pacing: { median_seconds: 30, min_seconds: 8, max_seconds: 150, daily_cap: 300, new_chat_cap: 60, warm_up: true },
    });
    const set = await rpc(gateway, `${settings}.set_pacing`, { instance_id, pacing: { daily_cap: 500 } });
    expect(set.body).toMatchObject({ pacing: { daily_cap: 500, median_seconds: 30 }, warnings: [] });
    const reset = await rpc(gateway, `${settings}.set_pacing`, { instance_id, pacing: null });
    expect(reset.body.pacing.daily_cap).toBe(300);
    expect((await rpc(gateway, `${settings}.set_pacing`, { instance_id })).body.exc_type).toBe('MandatoryError');
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
