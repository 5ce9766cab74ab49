import type { Page } from 'puppeteer';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { lidOf } from '../../src/sandbox/address.ts';
import type { Signal } from '../../src/whatsapp/client.ts';
import { until } from '../support/clock.ts';
import { type ClientBed, createClientBed, own } from './linked-client.ts';

const friend = '255757123456';
const sender = `${friend}@c.us`;
let bed: ClientBed;
let page: Page;

beforeAll(async () => {
  bed = await createClientBed({
    async prepare(browser) {
      page = (await browser.pages())[0]!;
    },
  });
  // Each connection begins with how much waits, and ends it.
  await tells(2);
});
afterAll(() => bed.close());
beforeEach(() => void bed.events.splice(0));

const told = () => bed.events.flatMap((event): Signal[] => (event.type === 'signals' ? event.signals : []));
const tells = async (count: number) => {
  await until(`${count} signals`, () => told().length >= count);
  return told();
};
const show = (signal: Parameters<ClientBed['sandbox']['network']['signal']>[0]) => bed.sandbox.network.signal(signal);

it('tells typing and recording, in chats and groups, and only the newest state of a burst', async () => {
  const group = bed.sandbox.network.createGroup({ subject: 'Team', owner: own, members: [friend] }).id;
  show({ type: 'typing', to: own, from: friend, state: 'typing' });
  show({ type: 'typing', to: own, from: friend, state: 'recording' });
  show({ type: 'typing', to: own, from: friend, state: 'typing', group });
  expect(await tells(2)).toEqual([
    { type: 'typing', chat: sender, sender, senderPhone: friend, state: 'recording' },
    { type: 'typing', chat: group, sender, senderPhone: friend, state: 'typing' },
  ]);
  show({ type: 'typing', to: own, from: friend, state: 'paused' });
  expect((await tells(3))[2]).toMatchObject({ state: 'paused' });
});

it('tells who is online, with the phone behind a LID that the page knows', async () => {
  bed.sandbox.network.receive({ to: own, from: friend, as: 'lid', text: 'hello' });
  await until('the page knows the LID', () => bed.events.some((event) => event.type === 'received'));
  const lastSeenAt = Math.floor(Date.now() / 1000) * 1000 - 60_000;
  show({ type: 'presence', to: own, from: friend, as: 'lid', isAvailable: false, lastSeenAt });
  const lid = `${lidOf(friend)}@lid`;
  expect(await tells(1)).toEqual([
    { type: 'presence', sender: lid, senderPhone: friend, isAvailable: false, lastSeenAt },
  ]);
});

it('tells a call, from which device, and how it ended', async () => {
  const { callId } = show({ type: 'call', to: own, from: friend, isVideo: true, platform: 'iphone' });
  show({ type: 'call_end', to: own, from: friend, callId: callId!, reason: 'timeout' });
  show({ type: 'call_end', to: own, from: friend, callId: 'ABC' });
  expect(await tells(3)).toMatchObject([
    { type: 'call_offered', callId, sender, senderPhone: friend, isVideo: true, isGroup: false, platform: 'iphone' },
    { type: 'call_ended', callId, reason: 'timeout' },
    { type: 'call_ended', callId: 'ABC', reason: 'hangup' },
  ]);
  expect(Math.abs((told()[0] as { offeredAt: number }).offeredAt - Date.now())).toBeLessThan(60_000);
});

it('tells a picture that was set and one that was removed', async () => {
  show({ type: 'picture', to: own, from: friend, pictureId: '12345' });
  await tells(1);
  show({ type: 'picture', to: own, from: friend, pictureId: null });
  expect(await tells(2)).toMatchObject([
    { type: 'picture', chat: sender, author: sender, pictureId: '12345' },
    { type: 'picture', chat: sender, pictureId: null },
  ]);
});

it('counts what it does not tell of a flood, and goes on', async () => {
  // In one turn of the page, whatever else this machine does.
  await page.evaluate(flood, 2_000);
  const dropped = () => bed.events.reduce((sum, event) => sum + (event.type === 'signals' ? event.dropped : 0), 0);
  await until('all are told or counted', () => told().length + dropped() === 2_000);
  expect(dropped()).toBe(1_500);
  show({ type: 'typing', to: own, from: friend, state: 'typing' });
  await tells(501);
});

function flood(count: number): void {
  // oxlint-disable-next-line typescript/no-explicit-any -- runs in the page, whose objects have no types
  const { decodeStanza } = (window as any).require('WAWap');
  for (let index = 0; index < count; index += 1) {
    const node = { tag: 'presence', attrs: { from: `2557570${String(index).padStart(5, '0')}@c.us` } };
    void decodeStanza(new TextEncoder().encode(JSON.stringify(node)), null);
  }
}

it('leaves alone what it looks at, and is not hurt by stanzas that make no sense', async () => {
  bed.sandbox.network.receive({ to: own, from: friend, text: 'in between' });
  show({ type: 'call_end', to: own, from: friend, callId: '' });
  show({ type: 'typing', to: own, from: friend, state: 'nonsense' as 'paused' });
  await until('the message comes', () => bed.events.some((event) => event.type === 'received'));
  await tells(1);
});

it('is missed where the stanzas pass elsewhere, and not where it sees them', async () => {
  expect((await bed.client.selfTest()).missing).not.toHaveProperty('stanzas');
  bed.sandbox.setDrift(['hidden-stanzas']);
  await bed.restart();
  bed.sandbox.setDrift([]);
  expect((await bed.client.selfTest()).missing.stanzas).toEqual(['window.wapbridgeTap.seesStanzas']);
});

it('tells how much waits after a time away, and when it is delivered', async () => {
  await bed.client.stop(5_000);
  for (let index = 0; index < 7; index += 1) bed.sandbox.network.receive({ to: own, from: friend, text: `${index}` });
  await bed.restart();
  await until('both are told', () => told().length === 2);
  expect(told()).toEqual([
    {
      type: 'offline_sync',
      phase: 'preview',
      total: 7,
      kinds: { messages: 7, notifications: 0, receipts: 0, appData: 0 },
    },
    { type: 'offline_sync', phase: 'completed', total: 7, kinds: null },
  ]);
});
