import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestGateway, request, rpc, startGateway, tokenOf } from '../gateway.ts';
import { batch, create, post } from './campaign-calls.ts';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

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
    const reply = await post(gateway, `${create}?${query}`, 'name,city\nAsha,Dar\n', { 'Content-Type': 'text/csv' });
    expect(reply.status).toBe(417);
    expect(reply.body.message).toMatch(/phone_number; its columns are name, city/);
  });

  it('broken JSON is refused, before or within the list', async () => {
    for (const broken of ['{"message":"Hi","recipients":["1",', '{"message":"Hi","recipients":["255757111111" "2"]}']) {
      const reply = await post(gateway, create, broken, { 'Content-Type': 'application/json' });
      expect([reply.status, reply.body.code]).toEqual([400, 'malformed_body']);
    }
  });

  it('a body of 200 MB is refused before it is read, and the connection lives', async () => {
    const reply = await post(gateway, create, new Uint8Array(40 * 1024 * 1024), { 'Content-Type': 'application/json' });
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
