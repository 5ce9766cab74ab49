import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildInstance, buildMessage } from '../fake-core.ts';
import { type TestGateway, request, rpc, startGateway, tokenOf } from '../gateway.ts';

const instances = 'wap_bridge.api.instances';
const instance_id = 'INST-02-0000143';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway({
    instances: [
      buildInstance(),
      buildInstance({ id: instance_id, title: 'Shop', state: 'qr', phone: null, lastReadyAt: null }),
    ],
  });
});
afterEach(() => gateway.close());

const get = (path: string) =>
  request(`${gateway.url}/api/method/${path}`, { headers: { Authorization: tokenOf('full') } });

describe('instances', () => {
  it('makes one that starts at once', async () => {
    const reply = await rpc(gateway, `${instances}.create_instance`, { title: 'Branch', default_country: 'TZ' });
    expect(reply.body.message).toEqual({ ok: true, instance_id: 'INST-11-0000003', status: 'starting' });
    expect(gateway.core.instanceRows[2]).toMatchObject({
      title: 'Branch',
      defaultCountry: 'TZ',
      accountId: 'CUST-0143',
    });
  });

  it('lists and shows them', async () => {
    const shown = {
      instance_id: 'INST-01-0000142',
      title: 'Front desk',
      phone_number: '255700000000',
      default_country: null,
      status: 'ready',
      reason: null,
      action: null,
      since: '2026-01-07T13:14:00.000Z',
      attempts: 0,
      next_attempt_at: null,
      last_ready_at: '2026-01-07T13:14:00.000Z',
      on_conflict: 'wait',
      has_proxy: false,
      user_agent: null,
      missing_features: [],
    };
    expect((await get(`${instances}.list_instances`)).body.instances).toEqual([
      shown,
      { ...shown, instance_id, title: 'Shop', phone_number: null, status: 'qr', last_ready_at: null },
    ]);
    expect((await get(`${instances}.instance_status?instance_id=inst-01-0000142`)).body.message).toEqual({
      ok: true,
      ...shown,
      web_version: null,
      features: null,
      shims: null,
      self_test_at: null,
    });
  });

  it('shows feature by feature what the page was found to have', async () => {
    const [instance] = gateway.core.instanceRows;
    instance!.webVersion = '2.3000.1';
    instance!.selfTest = {
      webVersion: '2.3000.1',
      missing: { check_numbers: ['WAWebQueryExistsJob'] },
      shims: [{ name: 'block', result: 'applied' }],
      tookMs: 12,
    };
    instance!.selfTestAt = 1_767_791_640_000;
    const { body } = await get(`${instances}.instance_status?instance_id=inst-01-0000142`);
    expect(body.message).toMatchObject({
      missing_features: ['check_numbers'],
      web_version: '2.3000.1',
      features: { send_text: { ok: true }, check_numbers: { ok: false, missing: ['WAWebQueryExistsJob'] } },
      shims: [{ name: 'block', result: 'applied' }],
      self_test_at: '2026-01-07T13:14:00.000Z',
    });
  });

  it('changes settings, and never shows a proxy', async () => {
    const reply = await rpc(gateway, `${instances}.update_instance`, {
      instance_id,
      title: 'Branch',
      on_conflict: 'takeover',
      proxy_url: 'socks5://me:hush@proxy.example.com:1080',
      user_agent: '',
    });
    expect(reply.body.message).toMatchObject({
      title: 'Branch',
      on_conflict: 'takeover',
      has_proxy: true,
      user_agent: null,
      restart_needed: true,
    });
    expect(JSON.stringify(reply.body)).not.toContain('hush');
    const refused = await rpc(gateway, `${instances}.update_instance`, { instance_id, on_conflict: 'fight' });
    expect(refused.body.exc_type).toBe('ValidationError');
  });

  it('shows the QR code raw and as a PNG data URL', async () => {
    const { body } = await get(`${instances}.get_qr?instance_id=${instance_id}`);
    expect(body).toMatchObject({
      ok: true,
      status: 'qr',
      qr: '2@abcdef,ghi,jkl',
      expires_at: '2026-01-07T13:14:20.000Z',
    });
    expect(body.qr_code).toMatch(/^data:image\/png;base64,iVBOR/);
  });

  it('shows the QR code as an image and as text', async () => {
    const image = await fetch(`${gateway.url}/api/method/${instances}.get_qr?instance_id=${instance_id}&format=png`, {
      headers: { Authorization: tokenOf('full') },
    });
    expect(image.headers.get('content-type')).toBe('image/png');
    expect(
      Buffer.from(await image.arrayBuffer())
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
    const text = await get(`${instances}.get_qr?instance_id=${instance_id}&format=ascii`);
    expect(text.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text.text).toContain('█');
  });

  it('answers the state without codes once linked, and refuses the image', async () => {
    expect((await get(`${instances}.get_qr?instance_id=INST-01-0000142`)).body.message).toEqual({
      ok: true,
      status: 'ready',
    });
    const image = await get(`${instances}.get_qr?instance_id=INST-01-0000142&format=png`);
    expect([image.status, image.body.exc_type]).toEqual([417, 'ValidationError']);
  });

  it('asks for a pairing code', async () => {
    const reply = await rpc(gateway, `${instances}.request_pairing_code`, {
      instance_id,
      phone_number: '+255700000001',
    });
    expect(reply.body.message).toEqual({ ok: true, code: 'ABCD-EFGH' });
    expect(
      (await rpc(gateway, `${instances}.request_pairing_code`, { instance_id, phone_number: '1' })).body.exc_type,
    ).toBe('InvalidPhoneNumberError');
  });

  it.each([
    ['connect', 'starting'],
    ['disconnect', 'stopped'],
    ['logout', 'logged_out'],
  ])('can %s', async (name, status) => {
    expect((await rpc(gateway, `${instances}.${name}`, { instance_id })).body).toMatchObject({
      ok: true,
      instance_id,
      status,
    });
  });

  it('deletes one', async () => {
    expect((await rpc(gateway, `${instances}.delete_instance`, { instance_id })).body.message).toEqual({
      ok: true,
      instance_id,
    });
    expect((await get(`${instances}.instance_status?instance_id=${instance_id}`)).body.exc_type).toBe(
      'DoesNotExistError',
    );
  });

  it('hides them from other accounts and from tokens bound to another', async () => {
    for (const token of ['other', 'bound'] as const) {
      const reply = await rpc(gateway, `${instances}.instance_status`, { instance_id }, { token });
      expect([reply.status, reply.body.exc_type]).toEqual([404, 'DoesNotExistError']);
    }
    expect((await rpc(gateway, `${instances}.list_instances`, {}, { token: 'bound' })).body.instances).toHaveLength(1);
    expect((await rpc(gateway, `${instances}.list_instances`, {}, { token: 'other' })).body.instances).toEqual([]);
  });
});

describe('message_status', () => {
  it.each(['true_255755123456@c.us_3EB0C767D26A1D5F2E5A49', '3EB0C767D26A1D5F2E5A49'])('finds %s', async (id) => {
    gateway.core.rows.push(buildMessage({ state: 'delivered', ackedAt: 1_767_791_640_000 }));
    expect((await get(`wap_bridge.api.whatsapp.message_status?id=${id}`)).body.message).toEqual({
      ok: true,
      id: 'true_255755123456@c.us_3EB0C767D26A1D5F2E5A49',
      status: 'delivered',
      reason: null,
      acked_at: '2026-01-07T13:14:00.000Z',
    });
  });

  it('answers 404 for an unknown id and 417 without one', async () => {
    expect((await get('wap_bridge.api.whatsapp.message_status?id=3EB0')).body.exc_type).toBe('DoesNotExistError');
    expect((await get('wap_bridge.api.whatsapp.message_status')).body.exc_type).toBe('MandatoryError');
  });
});

describe('the webhook setting', () => {
  const settings = 'wap_bridge.api.settings';

  it('is set, shown without its secret, and removed by an empty url', async () => {
    const shown = {
      ok: true,
      url: 'https://erp.example.com/hook',
      events: ['message.received'],
      instance_id: null,
      has_secret: true,
      enabled: true,
      disabled_reason: null,
    };
    const set = await rpc(gateway, `${settings}.set_webhook`, {
      url: 'https://erp.example.com/hook',
      secret: 's3cret',
    });
    expect(set.body.message).toEqual(shown);
    expect(gateway.core.endpoints.get('CUST-0143/')?.secret).toBe('s3cret');
    const read = await get(`${settings}.get_webhook`);
    expect(read.body.message).toEqual(shown);
    expect(read.text).not.toContain('s3cret');
    expect((await rpc(gateway, `${settings}.set_webhook`, { url: '' })).body.message).toEqual({ ok: true, url: null });
    expect((await get(`${settings}.get_webhook`)).body.message).toEqual({ ok: true, url: null });
  });

  it.each([[['message.received', 'message.status']], ['["message.received","message.status"]']])(
    'takes events as %j',
    async (events) => {
      const reply = await rpc(gateway, `${settings}.set_webhook`, { url: 'https://a.example', events });
      expect(reply.body.events).toEqual(['message.received', 'message.status']);
    },
  );

  it.each([
    ['an unknown event', { url: 'https://a.example', events: ['nothing'] }, 417],
    ['a call without a url, which must not remove anything', { secret: 's3cret' }, 417],
    ['a private address', { url: 'http://169.254.169.254/' }, 417],
    ['an instance that is not there', { url: 'https://a.example', instance_id: 'INST-09-0000009' }, 404],
  ])('refuses %s', async (_name, body, status) => {
    expect((await rpc(gateway, `${settings}.set_webhook`, body)).status).toBe(status);
  });

  it('keeps its secret and events when only the url changes, and loses the secret to an empty one', async () => {
    const url = 'https://a.example';
    await rpc(gateway, `${settings}.set_webhook`, { url, secret: 's3cret', events: ['message.status'] });
    const moved = await rpc(gateway, `${settings}.set_webhook`, { url: 'https://b.example' });
    expect(moved.body).toMatchObject({ url: 'https://b.example', has_secret: true, events: ['message.status'] });
    expect((await rpc(gateway, `${settings}.set_webhook`, { url, secret: '' })).body.has_secret).toBe(false);
  });

  it('belongs to the instance a token is bound to', async () => {
    await rpc(gateway, `${settings}.set_webhook`, { url: 'https://b.example' }, { token: 'bound' });
    expect([...gateway.core.endpoints.keys()]).toEqual(['CUST-0143/INST-01-0000142']);
  });
});
