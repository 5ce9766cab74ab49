import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createJsSdk, createPythonClient, FrappeException } from '../../support/frappe-clients.ts';
import { buildInstance, credentials } from '../fake-core.ts';
import { type TestGateway, startGateway } from '../gateway.ts';

const send = 'wap_bridge.api.whatsapp.send_api_message';
const text = { from_number: '+255700000000', to_number: '+255755123456', message: 'Hello from WapBridge' };
const pair = `${credentials.full.key}:${credentials.full.secret}`;
const wrong = `${credentials.full.key}:wrong`;

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

describe('frappe-js-sdk', () => {
  it('gets the documented keys from post and put', async () => {
    const sdk = createJsSdk(gateway.url, pair);
    expect(await sdk.post(send, text)).toMatchObject({ ok: true, service: { ok: true }, message: { ok: true } });
    expect(await sdk.put(send, text)).toMatchObject({ ok: true });
  });

  it('gets answers to GET and DELETE, with objects as JSON in the query', async () => {
    const sdk = createJsSdk(gateway.url, pair);
    expect(await sdk.get('wap_bridge.api.whatsapp.check_numbers', { numbers: ['255757123456'] })).toMatchObject({
      ok: true,
      numbers: [{ on_whatsapp: true }],
    });
    expect(
      await sdk.delete('wap_bridge.api.instances.delete_instance', { instance_id: 'INST-01-0000142' }),
    ).toMatchObject({ ok: true });
  });

  it('shows people the sentence of an error', async () => {
    const sdk = createJsSdk(gateway.url, pair);
    await expect(sdk.post(send, { ...text, to_number: '12' })).rejects.toMatchObject({
      httpStatus: 417,
      message: '12 is not a valid phone number',
      exception: 'frappe.exceptions.InvalidPhoneNumberError: 12 is not a valid phone number',
      exc_type: 'InvalidPhoneNumberError',
    });
    await expect(createJsSdk(gateway.url, wrong).getLoggedInUser()).rejects.toMatchObject({ httpStatus: 401 });
    await expect(sdk.get(send, text)).rejects.toMatchObject({
      httpStatus: 403,
      message: expect.stringContaining('not allowed'),
    });
  });

  it('learns whose token it has, logs out, and is refused a login', async () => {
    const sdk = createJsSdk(gateway.url, pair);
    expect(await sdk.getLoggedInUser()).toBe('CUST-0143');
    expect(await sdk.logout()).toEqual({});
    await expect(sdk.login('a', 'b')).rejects.toMatchObject({
      httpStatus: 403,
      message: expect.stringContaining('Authorization: token'),
    });
  });
});

describe.each(['standalone', 'builtin'] as const)('the Python client (%s)', (kind) => {
  it('sends by a POST whose query holds everything', async () => {
    const client = createPythonClient(kind, gateway.url, pair);
    expect(await client.postApi(send, text)).toMatchObject({ ok: true, service: { ok: true } });
    expect(gateway.core.sent[0]?.content).toEqual({ type: 'text', text: text.message });
  });

  it('reads by GET', async () => {
    const client = createPythonClient(kind, gateway.url, pair);
    expect(await client.getApi('frappe.auth.get_logged_user')).toBe('CUST-0143');
    expect(await client.getApi('wap_bridge.api.instances.list_instances')).toMatchObject({
      instances: [{ instance_id: 'INST-01-0000142' }],
    });
  });

  it('calls by cmd on the root', async () => {
    const client = createPythonClient(kind, gateway.url, pair);
    expect(await client.getRequest({ cmd: 'ping' })).toBe('pong');
    expect(await client.postRequest({ cmd: send, ...text })).toMatchObject({ ok: true });
    expect(await client.logout()).toBeNull();
  });

  it('raises on every error instead of returning nothing', async () => {
    const client = createPythonClient(kind, gateway.url, pair);
    await expect(client.postApi(send, { ...text, to_number: '12' })).rejects.toThrow(/12 is not a valid phone number/);
    await expect(client.postApi('no.such.method')).rejects.toThrow(/Failed to get method/);
    await expect(client.postRequest({ cmd: 'no.such.method' })).rejects.toThrow(FrappeException);
    await expect(client.login('a', 'b')).rejects.toThrow(FrappeException);
    const stranger = createPythonClient(kind, gateway.url, wrong);
    await expect(stranger.getApi('ping')).rejects.toThrow(/Authentication failed/);
    expect(stranger.lastStatus()).toBe(401);
  });

  it('walks the life of an instance', async () => {
    gateway.core.instanceRows.push(buildInstance({ id: 'INST-02-0000143', state: 'qr', phone: null }));
    const client = createPythonClient(kind, gateway.url, pair);
    const api = 'wap_bridge.api.instances';
    expect(await client.postApi(`${api}.create_instance`, { title: 'Shop', default_country: 'tz' })).toEqual({
      ok: true,
      instance_id: 'INST-11-0000003',
      status: 'starting',
    });
    expect(await client.getApi(`${api}.get_qr`, { instance_id: 'INST-02-0000143' })).toMatchObject({
      ok: true,
      status: 'qr',
      qr: '2@abcdef,ghi,jkl',
    });
    expect(await client.postApi(`${api}.logout`, { instance_id: 'INST-02-0000143' })).toMatchObject({
      ok: true,
      status: 'logged_out',
    });
  });
});
