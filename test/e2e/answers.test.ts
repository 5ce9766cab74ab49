import { expect, it } from 'vitest';
import { useBed } from '../support/bed.ts';
import { openSqlite } from '../support/database.ts';

const bed = useBed(openSqlite);

const call = (name: string, body: Record<string, unknown>) => bed.gateway.call(`wap_bridge.api.${name}`, body);

it('tells of a linked number what is true at the moment of the answer', async () => {
  const instance_id = await bed.gateway.link('255757000001');

  // Two names of the instance that do not belong together are a mistake, which must not send from the wrong number.
  const message = { instance_id, to_number: '+255757000009', message: 'Hello' };
  const wrong = await call('whatsapp.send_api_message', { ...message, from_number: '+255757000002' });
  expect(wrong).toMatchObject({ status: 417, json: { code: 'invalid_input' } });
  expect(wrong.json.fields.from_number).toContain(`is not the number of ${instance_id}`);
  for (const from_number of ['+255757000001', '0757000001', '255757000001'])
    expect(await call('whatsapp.send_api_message', { ...message, from_number })).toMatchObject({ status: 200 });

  // What was refused is no change that the audit log could tell of.
  expect((await call('instances.request_pairing_code', { instance_id, phone_number: '+255757000003' })).status).toBe(
    417,
  );
  const { entries } = (await call('settings.list_audit', { action: 'instance.pairing_requested' })).json;
  expect(entries).toEqual([]);

  // A browser does not start with these.
  for (const user_agent of ['UA\r\nX: y', 'UA 🌍', 'UA\u0000']) {
    const { status, json } = await call('instances.update_instance', { instance_id, user_agent });
    expect([status, json.fields]).toEqual([417, { user_agent: 'must be one line of ASCII characters' }]);
  }

  const before = new Date().toISOString();
  for (const [method, status] of [
    ['disconnect', 'stopped'],
    ['connect', 'starting'],
    ['logout', 'logged_out'],
  ] as const) {
    const { json } = await call(`instances.${method}`, { instance_id });
    expect(json).toMatchObject({ ok: true, status, action: null });
    expect(json.since >= before, `${method}: since ${json.since}`).toBe(true);
  }
});

it('lets no status go back when the same is asked again', async () => {
  const instance_id = await bed.gateway.link('255757000001');
  for (let serial = 0; serial < 20; serial += 1) {
    const ask = () =>
      bed.gateway.call(
        'wap_bridge.api.whatsapp.send_api_message',
        { instance_id, to_number: '+255757000009', message: `Hello ${serial}` },
        { 'Idempotency-Key': `key-${serial}` },
      );
    const [first, again] = [await ask(), await ask()];
    expect(again.json.service.id).toBe(first.json.service.id);
    expect([first.json.status, again.json.status]).not.toContain('queued');
  }
});
