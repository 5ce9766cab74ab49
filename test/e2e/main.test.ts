import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { type Bed, openBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { Receiver } from '../support/receiver.ts';

const own = '255757000001';
const friend = '255757123456';

forEachDatabase((open) => {
  let bed: Bed;
  let gateway: TestGateway;
  let receiver: Receiver;
  let instanceId: string;

  beforeAll(async () => {
    bed = await openBed(open);
    ({ gateway, receiver } = bed);
    instanceId = await gateway.link(own);
  });

  afterAll(() => bed?.close());

  const network = () => gateway.app.sandbox!.network;
  const arrived = (text: string) =>
    network()
      .messages({ phone: friend })
      .filter((message) => message.text === text || message.caption === text);
  const status = async (id: string) =>
    (await gateway.call('wap_bridge.api.whatsapp.message_status', { id })).json.status as string;

  it('sends a text by the API and knows when it was read', async () => {
    const { status: code, json } = await gateway.call('wap_bridge.api.whatsapp.send_api_message', {
      from_number: `+${own}`,
      to_number: `+${friend}`,
      message: 'Hello from WapBridge',
    });
    expect(code).toBe(200);
    expect(json).toMatchObject({ ok: true, service: { ok: true } });
    expect(json.service.id).toMatch(/^true_255757123456@c\.us_3EB0[0-9A-F]{18}$/);
    expect(json.message).toEqual({
      ok: json.ok,
      service: json.service,
      ...(json.status ? { status: json.status } : {}),
    });
    await until('it is read', async () => (await status(json.service.id)) === 'read');
    expect(arrived('Hello from WapBridge')).toHaveLength(1);
  });

  it('sends what ERPNext posts as an SMS', async () => {
    const response = await fetch(`${gateway.app.url}/api/method/wap_bridge.api.whatsapp.erpnext_notification_gateway`, {
      method: 'POST',
      headers: { Authorization: `token ${gateway.token}`, Accept: 'text/plain, text/html, */*' },
      body: new URLSearchParams({
        message: 'Invoice INV-0001 is due',
        instance_id: instanceId,
        to_number: '0757 123 456',
      }),
    });
    expect(response.status).toBe(200);
    await until('it arrives', () => arrived('Invoice INV-0001 is due').length === 1);
  });

  it('sends a file by the API, byte for byte', async () => {
    const bytes = Buffer.from(pdf);
    const { status: code } = await gateway.call('wap_bridge.api.whatsapp.send_api_message', {
      from_number: own,
      to_number: friend,
      caption: 'Invoice attached',
      media_data: bytes.toString('base64'),
      mime_type: 'application/pdf',
      filename: 'invoice.pdf',
    });
    expect(code).toBe(200);
    await until('it arrives', () => arrived('Invoice attached').length === 1);
    const [message] = arrived('Invoice attached');
    expect(message).toMatchObject({
      type: 'document',
      media: { mimeType: 'application/pdf', filename: 'invoice.pdf' },
    });
    expect(await readFile(message!.media!.path)).toEqual(bytes);
  });

  it('refuses a number that is not on WhatsApp', async () => {
    const { status: code, json } = await gateway.call('wap_bridge.api.whatsapp.send_api_message', {
      from_number: own,
      to_number: '+999757123456@c.us'.replace('+', ''),
      message: 'hi',
    });
    expect(code).toBe(417);
    expect(json.message).toContain('is not on WhatsApp');
  });

  it('tells a receiver what arrives, as the document shows it', async () => {
    await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url, secret: 'a-shared-secret' });
    network().receive({ to: own, from: friend, name: 'Asha', text: 'Sawa' });
    await until('the webhook comes', () => receiver.requests.length === 1);
    const [request] = receiver.requests;
    expect(request!.headers['x-wapbridge-secret']).toBe('a-shared-secret');
    expect(JSON.parse(request!.body.toString())).toMatchObject({
      instance_id: instanceId,
      customer: 'CUST-0001',
      phone_number: own,
      event: 'message.received',
      sender_phone: friend,
      sender_name: 'Asha',
      is_group: false,
      message: {
        from: `${friend}@c.us`,
        to: `${own}@c.us`,
        body: 'Sawa',
        fromMe: false,
        type: 'chat',
        hasMedia: false,
      },
    });
  });

  it('sends a picture on as base64, and the phone behind a LID', async () => {
    receiver.requests.length = 0;
    network().receive({
      to: own,
      from: '255757123999',
      as: 'lid',
      lidKnown: false,
      media: { data: png, mimeType: 'image/png', filename: 'photo.png', caption: 'Look' },
    });
    await until('the webhook comes', () => receiver.requests.length === 1);
    const body = JSON.parse(receiver.requests[0]!.body.toString());
    expect(body).toMatchObject({
      sender_phone: '255757123999',
      message: { type: 'image', hasMedia: true, caption: 'Look', media: { mimetype: 'image/png' } },
    });
    expect(body.message.from).toMatch(/@lid$/);
    expect(createHash('sha256').update(Buffer.from(body.message.media.data, 'base64')).digest('hex')).toBe(
      createHash('sha256').update(png).digest('hex'),
    );
  });

  it('keeps the order of a chat when a picture comes before a text', async () => {
    receiver.requests.length = 0;
    network().receive({ to: own, from: friend, media: { data: png, mimeType: 'image/png', caption: 'first' } });
    network().receive({ to: own, from: friend, text: 'second' });
    await until('both come', () => receiver.requests.length === 2);
    expect(receiver.requests.map(({ body }) => JSON.parse(body.toString()).message.body)).toEqual(['first', 'second']);
  });

  it('is ready again after a restart without a scan, with what came meanwhile and what was queued', async () => {
    receiver.requests.length = 0;
    await gateway.call('wap_bridge.api.instances.disconnect', { instance_id: instanceId });
    const queued = await gateway.call('wap_bridge.api.whatsapp.erpnext_notification_gateway', {
      message: 'queued while away',
      to_number: friend,
      instance_id: instanceId,
    });
    expect(queued.status).toBe(200);
    await gateway.call('wap_bridge.api.instances.connect', { instance_id: instanceId });
    await gateway.restart();
    network().receive({ to: own, from: friend, text: 'while you were away' });
    await gateway.waitUntilReady(instanceId);
    await until(
      'both have gone their way',
      () => receiver.requests.length === 1 && arrived('queued while away').length === 1,
    );
    expect(JSON.parse(receiver.requests[0]!.body.toString()).message.body).toBe('while you were away');
  });

  it('lets two linked numbers chat', async () => {
    const second = await gateway.link('255757000002');
    receiver.requests.length = 0;
    const { status: code } = await gateway.call('wap_bridge.api.whatsapp.send_api_message', {
      from_number: '255757000002',
      to_number: own,
      message: 'from number two',
    });
    expect(code).toBe(200);
    await until('the webhook comes', () => receiver.requests.length === 1);
    expect(JSON.parse(receiver.requests[0]!.body.toString())).toMatchObject({
      instance_id: instanceId,
      sender_phone: '255757000002',
    });
    await gateway.call('wap_bridge.api.instances.delete_instance', { instance_id: second });
  });

  it('says logged out when the phone removes the device, and links again', async () => {
    network().unlink(own);
    await until(
      'it is logged out',
      async () =>
        (await gateway.call('wap_bridge.api.instances.instance_status', { instance_id: instanceId })).json.status ===
        'logged_out',
    );
    const refused = await gateway.call('wap_bridge.api.whatsapp.send_api_message', {
      from_number: own,
      to_number: friend,
      message: 'hi',
    });
    expect(refused.status).toBe(417);
    const { json } = await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: instanceId });
    await network().link(json.qr, { phone: own });
    await gateway.waitUntilReady(instanceId);
  });
});

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const pdf =
  '%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n';
