import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Client } from 'whatsapp-web.js';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { openElsewhere } from '../support/second-page.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';
import { createTestBed, once, until } from './support.ts';
import type { TestBed } from './support.ts';

const PHONE = '491700000001';
const OTHER = '491700000002';
let bed: TestBed;
afterEach(() => bed?.close());

/** Kills the browser as the kernel would, and waits until it is gone. */
async function kill(client: Client): Promise<void> {
  const browser = client.pupBrowser?.process();
  const gone = new Promise((resolve) => browser?.once('exit', resolve));
  browser?.kill('SIGKILL');
  await gone;
}

describe('a broken connection', () => {
  it('sends what waited, once, when it is back', async () => {
    bed = await createTestBed();
    const client = await bed.start('a', { linkAs: PHONE });
    const states: string[] = [];
    client.on('change_state', (state) => states.push(state));
    bed.sandbox.network.drop(PHONE, 700);
    await until(async () => (await client.getState()) === ('OPENING' as never));
    const sent = await client.sendMessage(`${OTHER}@c.us`, 'while away');
    expect(bed.sandbox.network.messages()).toEqual([]);
    expect((await client.getMessageById(sent.id._serialized)).ack).toBe(0);
    const message = await until(() => bed.sandbox.network.messages().find(({ acks }) => acks === 3));
    expect(message).toMatchObject({ id: sent.id.id, repeats: 0 });
    expect(bed.sandbox.network.messages()).toHaveLength(1);
    await until(() => states.includes('CONNECTED'));
    expect(states).toEqual(['OPENING', 'CONNECTED']);
  });

  it('receives what came meanwhile', async () => {
    bed = await createTestBed();
    const client = await bed.start('a', { linkAs: PHONE });
    bed.sandbox.network.drop(PHONE, 300);
    const coming = once(client, 'message');
    bed.sandbox.network.receive({ to: PHONE, from: OTHER, text: 'are you there?' });
    expect(bed.sandbox.network.linked()).toMatchObject([{ online: false, waiting: 1 }]);
    expect((await coming)[0]).toMatchObject({ body: 'are you there?' });
  });

  it('notices that nothing comes any more although no connection ends, and goes on where it was', async () => {
    bed = await createTestBed({ pingAfterMs: 200, deadAfterMs: 300 });
    const tunnels = await startConnectProxy();
    const way = await startStallingProxy({ host: '127.0.0.1', port: tunnels.port });
    const proxyArgs = [`--proxy-server=http://127.0.0.1:${way.port}`, '--proxy-bypass-list=<-loopback>'];
    const client = await bed.start('a', { linkAs: PHONE, browserArgs: proxyArgs });
    way.stall('all');
    const sent = await client.sendMessage(`${OTHER}@c.us`, 'into silence');
    bed.sandbox.network.receive({ to: PHONE, from: OTHER, text: 'out of silence' });
    await until(async () => (await client.getState()) === ('OPENING' as never));
    const coming = once(client, 'message');
    way.resume();
    expect((await coming)[0]).toMatchObject({ body: 'out of silence' });
    await until(async () => (await client.getMessageById(sent.id._serialized)).ack === 3);
    await until(async () => (await client.getState()) === ('CONNECTED' as never));
    expect(bed.sandbox.network.messages().filter(({ text }) => text === 'into silence')).toMatchObject([
      { id: sent.id.id },
    ]);
    await way.close();
    await tunnels.close();
  });

  it('loses its connection to a copy of the same profile, and can take it back', async () => {
    bed = await createTestBed();
    const client = await bed.start('a', { linkAs: PHONE });
    // The stock library closes the browser on CONFLICT unless it may take over.
    Object.assign((client as unknown as { options: object }).options, {
      takeoverOnConflict: true,
      takeoverTimeoutMs: 60_000,
    });
    const copy = await openElsewhere(bed.sandbox, PHONE);
    await until(async () => (await client.getState()) === ('CONFLICT' as never));
    const closed = new Promise((resolve) => copy.once('close', resolve));
    await client.pupPage?.evaluate("window.require('WAWebSocketModel').Socket.takeover()");
    await closed;
    await until(async () => (await client.getState()) === ('CONNECTED' as never));
  });
});

describe('a killed browser', () => {
  it('still finds a sent message by its id', async () => {
    bed = await createTestBed();
    const first = await bed.start('a', { linkAs: PHONE });
    const sent = await first.sendMessage(`${OTHER}@c.us`, 'remember me');
    await kill(first);
    const second = await bed.start('a');
    const found = await second.getMessageById(sent.id._serialized);
    expect(found).toMatchObject({ body: 'remember me', fromMe: true, to: `${OTHER}@c.us` });
    await until(async () => (await second.getMessageById(sent.id._serialized)).ack === 3);
    expect(bed.sandbox.network.messages()).toMatchObject([{ id: sent.id.id }]);
  });

  it('sends a message that waited for the connection exactly once after its restart', async () => {
    bed = await createTestBed();
    const first = await bed.start('a', { linkAs: PHONE });
    bed.sandbox.network.drop(PHONE, 1000);
    await until(async () => (await first.getState()) === ('OPENING' as never));
    const sent = await first.sendMessage(`${OTHER}@c.us`, 'late');
    await kill(first);
    expect(bed.sandbox.network.messages()).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const second = await bed.start('a');
    await until(async () => (await second.getMessageById(sent.id._serialized)).ack === 3);
    expect(bed.sandbox.network.messages()).toMatchObject([{ id: sent.id.id, text: 'late', repeats: 0 }]);
  });

  it('gets messages that came while it was away before it is ready, in order, with their chat unread', async () => {
    bed = await createTestBed();
    const first = await bed.start('a', { linkAs: PHONE });
    await first.destroy();
    for (let count = 1; count <= 250; count += 1)
      bed.sandbox.network.receive({ to: PHONE, from: OTHER, text: `message ${count}` });
    await bed.restart();
    const second = await bed.start('a');
    const chat = await second.getChatById(`${OTHER}@c.us`);
    expect(chat.unreadCount).toBe(250);
    const messages = await chat.fetchMessages({ limit: 250 });
    expect(messages.map(({ body }) => body)).toEqual(Array.from({ length: 250 }, (_, index) => `message ${index + 1}`));
    expect(bed.sandbox.network.linked()).toMatchObject([{ waiting: 0 }]);
  });

  it('loads earlier messages from its profile', async () => {
    bed = await createTestBed();
    const first = await bed.start('a', { linkAs: PHONE });
    for (let count = 1; count <= 120; count += 1) await first.sendMessage(`${OTHER}@c.us`, `message ${count}`);
    await kill(first);
    const second = await bed.start('a');
    const messages = await (await second.getChatById(`${OTHER}@c.us`)).fetchMessages({ limit: 110 });
    // The library's sort turns messages of one second around, so only which ones came is looked at.
    const numbers = messages.map(({ body }) => Number(body.split(' ')[1])).toSorted((one, other) => one - other);
    expect(numbers).toHaveLength(110);
    expect(new Set(numbers).size).toBe(110);
  });
});

describe('the network', () => {
  it('remembers people, devices, groups, messages and repeats over a restart', async () => {
    bed = await createTestBed();
    const client = await bed.start('a', { linkAs: PHONE, name: 'Shop' });
    await client.destroy();
    const { network } = bed.sandbox;
    await until(() => network.linked()[0]?.online === false);
    const group = network.createGroup({ subject: 'Staff', owner: PHONE, members: [OTHER] });
    network.receive({ to: PHONE, from: OTHER, text: 'one', name: 'Ann' });
    const twice = { to: PHONE, from: OTHER, group: group.id, text: 'two', id: '3ATWICE' };
    network.receive(twice);
    network.receive(twice);
    const before = [network.messages(), network.people(), network.linked(), network.groups()];
    await bed.restart();
    const after = bed.sandbox.network;
    expect([after.messages(), after.people(), after.linked(), after.groups()]).toEqual(before);
    expect(after.messages()[1]).toMatchObject({ repeats: 1, group: group.id });
  });

  it('cuts off a journal line that a crash left half written, and says where a damaged one is', async () => {
    bed = await createTestBed();
    const client = await bed.start('a', { linkAs: PHONE });
    await client.destroy();
    bed.sandbox.network.receive({ to: PHONE, from: OTHER, text: 'whole' });
    const journal = join(bed.dir, 'sandbox', 'network.jsonl');
    const whole = readFileSync(journal, 'utf8');
    await bed.sandbox.close();
    writeFileSync(journal, `${whole}{"kind":"mess`);
    await bed.restart();
    expect(bed.sandbox.network.messages()).toMatchObject([{ text: 'whole' }]);
    expect(readFileSync(journal, 'utf8')).toBe(whole);
    await bed.sandbox.close();
    writeFileSync(journal, `{"kind":\n${whole}`);
    await expect(bed.restart()).rejects.toThrow('damaged at line 1');
    writeFileSync(journal, whole);
    await bed.restart();
  });
});

describe('two instances', () => {
  it('chat with each other, with receipts', async () => {
    bed = await createTestBed();
    const shop = await bed.start('a', { linkAs: PHONE, name: 'Shop' });
    const ann = await bed.start('b', { linkAs: OTHER, name: 'Ann' });
    const acks: number[] = [];
    shop.on('message_ack', (_message, ack) => acks.push(ack));
    const coming = once(ann, 'message');
    const sent = await shop.sendMessage(`${OTHER}@c.us`, 'hello Ann');
    const [got] = (await coming) as [
      { body: string; from: string; id: { id: string }; getContact(): Promise<{ pushname: string }> },
    ];
    expect(got).toMatchObject({ body: 'hello Ann', from: `${PHONE}@c.us`, id: { id: sent.id.id } });
    expect((await got.getContact()).pushname).toBe('Shop');
    await until(() => acks.at(-1) === 2);
    const answered = once(shop, 'message');
    await ann.sendMessage(`${PHONE}@c.us`, 'hello Shop');
    expect((await answered)[0]).toMatchObject({ body: 'hello Shop', from: `${OTHER}@c.us` });
    await until(() => acks.at(-1) === 3);
    expect(acks).toEqual([1, 2, 3]);
  });

  it('see each other’s messages when they are devices of one phone', async () => {
    bed = await createTestBed();
    const desk = await bed.start('a', { linkAs: PHONE });
    const office = await bed.start('b', { linkAs: PHONE });
    expect(bed.sandbox.network.linked().map(({ number }) => number)).toEqual([2, 3]);
    const mirrored = once(office, 'message_create');
    const sent = await desk.sendMessage('491700000003@c.us', 'from the desk');
    expect((await mirrored)[0]).toMatchObject({ fromMe: true, body: 'from the desk', id: { id: sent.id.id } });
  });
});
