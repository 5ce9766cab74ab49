import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { type Bed, openBed } from '../support/bed.ts';
import { openSqlite } from '../support/database.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { Receiver } from '../support/receiver.ts';

const own = '255757000001';
const api = 'wap_bridge.api.instances';

describe.each([
  ['on', 'true'],
  ['off', 'false'],
])('with the relay switched %s', (_, relay) => {
  let bed: Bed;
  let gateway: TestGateway;
  let receiver: Receiver;
  let instance_id: string;

  beforeAll(async () => {
    bed = await openBed(openSqlite, { EXPERIMENTAL_PASSKEY_RELAY: relay });
    ({ gateway, receiver } = bed);
    await gateway.call('wap_bridge.api.settings.set_webhook', {
      url: receiver.url,
      events: ['instance.passkey', 'instance.status'],
    });
    instance_id = (await gateway.call(`${api}.create_instance`)).json.instance_id;
  });

  afterAll(() => bed?.close());

  const call = async (method: string, more: object = {}) => {
    const { status, json } = await gateway.call(`${api}.${method}`, { instance_id, ...more });
    return { status, json };
  };
  const status = async () => (await call('instance_status')).json;
  const steps = () =>
    receiver.requests.map(({ body }) => JSON.parse(body)).filter(({ event }) => event === 'instance.passkey');
  const sign = (options: never, origin?: string) => gateway.app.sandbox!.network.signPasskey(own, options, origin);

  it('says within five seconds that the passkey is asked for, and what has to be signed', async () => {
    expect((await call('get_passkey_challenge')).json.message).toContain('asks for no passkey');
    const { json } = await call('get_qr');
    const startedAt = Date.now();
    gateway.app.sandbox!.network.link(json.qr, { phone: own, passkey: true }).catch(() => undefined);
    await until('it is noticed', async () => (await status()).status === 'action_required', 5_000);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    expect((await status()).reason).toContain('passkey');
    await until('it is told', () => steps().length === 1);
    const challenge = await call('get_passkey_challenge');
    expect(challenge.json).toMatchObject({ ok: true, step: 'asked', verification_code: null });
    expect(challenge.json.options).toMatchObject({ rpId: 'whatsapp.com', userVerification: 'required' });
    expect(challenge.json.options.challenge).toMatch(/^[\w-]{43}$/);
    expect(steps()[0]).toMatchObject({ instance_id, step: 'asked', options: challenge.json.options });
  });

  it.runIf(relay === 'false')('hands no answer on', async () => {
    const { options } = (await call('get_passkey_challenge')).json;
    const refused = await call('submit_passkey_assertion', { assertion: sign(options as never) });
    expect(refused.status).toBe(501);
    expect(refused.json.message).toContain('EXPERIMENTAL_PASSKEY_RELAY');
    expect((await call('confirm_passkey_code')).status).toBe(501);
  });

  it.runIf(relay === 'true')('says what is wrong with an answer before WhatsApp sees it', async () => {
    const { options } = (await call('get_passkey_challenge')).json;
    const wrong = async (assertion: unknown) => (await call('submit_passkey_assertion', { assertion })).json.message;
    expect(await wrong(sign({ ...options, challenge: 'AAAA' } as never))).toContain('another request');
    expect(await wrong(sign(options as never, 'https://evil.example'))).toContain('https://web.whatsapp.com');
    expect(await wrong({ id: 'x' })).toContain('rawId');
    expect(await wrong('nonsense')).toContain('assertion');
    expect((await call('confirm_passkey_code')).json.message).toContain('no code');
    expect((await status()).status).toBe('action_required');
  });

  it.runIf(relay === 'true')('offers a new challenge after WhatsApp has refused an answer', async () => {
    const { options } = (await call('get_passkey_challenge')).json;
    const assertion = sign(options as never);
    const spoiled = {
      ...assertion,
      response: { ...assertion.response, authenticatorData: assertion.response.signature },
    };
    const refused = await call('submit_passkey_assertion', { assertion: spoiled });
    expect(refused.json).toMatchObject({ reason: 'WhatsApp did not accept the passkey' });
    await until('there is a new one', async () => {
      const { json } = await call('get_passkey_challenge');
      return json.options && json.options.challenge !== options.challenge;
    });
  });

  it.runIf(relay === 'true')('links the number with a right answer and the code', async () => {
    const { options } = (await call('get_passkey_challenge')).json;
    const { json } = await call('submit_passkey_assertion', { assertion: sign(options as never) });
    expect(json).toMatchObject({ ok: true, step: 'code' });
    expect(json.verification_code).toMatch(/^[0-9A-F]{8}$/);
    expect((await call('submit_passkey_assertion', { assertion: sign(options as never) })).json.message).toContain(
      'code',
    );
    expect((await call('confirm_passkey_code')).json).toEqual({
      ok: true,
      instance_id,
      message: { ok: true, instance_id },
    });
    await gateway.waitUntilReady(instance_id);
    expect(await status()).toMatchObject({ status: 'ready', phone_number: own });
    expect((await call('get_passkey_challenge')).json.message).toContain('asks for no passkey');
    await until('all steps are told', () =>
      ['asked', 'sent', 'code'].every((step) => steps().some((one) => one.step === step)),
    );
  });
});
