import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventTable } from '../../src/model/events.ts';
import { cli, startGatewayStub } from './support.ts';

it('lists webhooks in lines that fit, with what is wrong with those that fail', async () => {
  const row = { url: 'http://a', instance_id: null, title: 'Desk', enabled: true, disabled_reason: null };
  const well = { ...row, webhook_id: '1', events: ['message.received'], failures_in_a_row: 0, failing_since: null };
  const webhooks = [
    well,
    { ...well, webhook_id: '2', failures_in_a_row: 3, failing_since: '2026-11-21T10:00:00.000Z' },
    { ...well, webhook_id: '3', enabled: false, disabled_reason: 'It answered 410', events: Object.keys(eventTable) },
  ];
  const dir = await mkdtemp(join(tmpdir(), 'wapbridge-webhook-'));
  const stub = await startGatewayStub(() => ({ body: { ok: true, webhooks } }));
  try {
    const { out } = await cli(['webhook', 'list'], {
      PORT: String(stub.port),
      DATABASE_URL: `sqlite:${join(dir, 'db')}`,
    });
    const [, first, second, third] = out.split('\n');
    expect(first).toMatch(/^1 +working +http:\/\/a +message\.received +- +Desk +-$/);
    expect(second).toMatch(/^2 +failing .*3 in a row since 2026-11-21T10:00:00\.000Z$/);
    expect(third).toMatch(/^3 +disabled .* and \d+ more .*It answered 410$/);
    expect(third!.length).toBeLessThan(160);
  } finally {
    await stub.close();
    await rm(dir, { recursive: true, force: true });
  }
});
