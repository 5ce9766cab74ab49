import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cli, startGatewayStub } from './support.ts';

const message = {
  id: 'true_255757123456@c.us_3EB0AA',
  direction: 'out',
  status: 'scheduled',
  chat_id: '255757123456@c.us',
  type: 'chat',
  body: 'Hello\nthere',
  created_at: '2026-11-20T08:00:00.000Z',
  send_at: '2026-11-23T06:00:00.000Z',
  reason: null,
};

let dir: string;
let next: string | null;
let gateway: Awaited<ReturnType<typeof startGatewayStub>>;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-cli-'));
  next = null;
  gateway = await startGatewayStub(({ method }) => {
    if (method === 'whatsapp.list_messages')
      return { body: { ok: true, messages: [message, { ...message, type: 'image', body: 'x'.repeat(60) }], next } };
    if (method === 'whatsapp.get_message') return { body: { ok: true, ...message, message } };
    return { body: { ok: true, id: message.id, status: 'cancelled' } };
  });
});
afterEach(async () => {
  await gateway.close();
  await rm(dir, { recursive: true });
});

const run = (...words: string[]) =>
  cli(['message', ...words], {
    DATA_DIR: dir,
    DATABASE_URL: `sqlite:${join(dir, 'w.db')}`,
    PORT: String(gateway.port),
  });

describe('message', () => {
  it('lists by what is asked for, a line each', async () => {
    const words = ['--instance', 'INST-01-0000001', '--status', 'failed,scheduled', '--chat', '0757', '--limit', '5'];
    const { status, out, err } = await run('list', ...words);
    expect(status).toBe(0);
    const [, text, image] = out.split('\n');
    expect(text).toMatch(/^2026-11-23T06:00:00.000Z +out +scheduled +255757123456@c.us +Hello there +true_2557\S+$/);
    expect(image).toMatch(/ \[image\] x{39}… /);
    expect(err).toBe('');
    expect(gateway.calls[0]?.params).toEqual({
      instance_id: 'INST-01-0000001',
      status: ['failed', 'scheduled'],
      chat: '0757',
      limit: '5',
    });
  });

  it('says how to see more', async () => {
    next = '01JF0000000000000000000000';
    expect((await run('list')).err).toContain(`--before ${next}`);
  });

  it('shows one without what is empty', async () => {
    const { out } = await run('show', message.id);
    expect(out).toMatch(/^status +scheduled$/m);
    expect(out).not.toMatch(/^(reason|ok|message)\b/m);
  });

  it('cancels one', async () => {
    expect(await run('cancel', message.id)).toMatchObject({ status: 0, out: `${message.id} is cancelled.` });
    expect(gateway.calls[0]).toMatchObject({ method: 'whatsapp.cancel_message', params: { id: message.id } });
  });
});
