import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseJid } from '../../src/model/jid.ts';
import { allDrifts } from '../../src/sandbox/drift.ts';
import { createSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { findBrowser } from '../../src/whatsapp/chromium/find.ts';
import { sandboxPossible } from '../../src/whatsapp/chromium/flags.ts';
import { createLauncher } from '../../src/whatsapp/chromium/launch.ts';
import type { ClientEvent, ReceivedMessage, SendOutcome, WhatsAppClient } from '../../src/whatsapp/client.ts';
import { createWebjsFactory } from '../../src/whatsapp/webjs/client.ts';
import { until } from '../support/clock.ts';

const own = '255757000001';
const friend = '255757123456';
const chat = parseJid(`${friend}@c.us`)!;
const waId = '3EB0AAAAAAAAAAAAAAAA01';
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** Changes of the page that the client must not notice. */
const drifts: [string, NonNullable<SandboxOptions['drift']>][] = [
  ['as the library knows it', []],
  ['whose ids are under another name', ['msg-key-renamed']],
  ['whose chats have moved to LIDs', ['lid-chats']],
  ['that has moved on in everything', allDrifts],
];

describe.each(drifts)('on a page %s', (_, drift) => {
  let dir: string;
  let sandbox: Sandbox;
  let client: WhatsAppClient;
  let events: ClientEvent[];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wapbridge-client-'));
    sandbox = await createSandbox({ dir: join(dir, 'sandbox'), drift, syncDelayMs: 0 });
    events = [];
    client = makeClient();
    await client.start();
    await until('it is ready', () => events.some((event) => event.type === 'ready'));
  });

  afterEach(async () => {
    await client.stop(5_000);
    await sandbox.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  function makeClient(): WhatsAppClient {
    const launch = createLauncher({
      browser: findBrowser({ chromiumPath: process.env.CHROMIUM_PATH ?? null })!,
      sandboxPossible: sandboxPossible(),
      extraArgs: sandbox.web.chromiumArgs,
    });
    return createWebjsFactory({ launch, web: async () => sandbox.web })({
      instanceId: 'INST-01-0000001',
      profileDir: join(dir, 'profile'),
      onEvent(event) {
        events.push(event);
        if (event.type === 'qr') void sandbox.network.link(event.code, { phone: own });
      },
    });
  }

  const text = (id: string, retry: boolean) => ({
    waId: id,
    chat,
    content: { type: 'text' as const, text: 'hi' },
    retry,
  });
  const outcomes = () => events.flatMap((event): SendOutcome[] => (event.type === 'sent' ? event.outcomes : []));
  const acks = () => events.flatMap((event) => (event.type === 'acks' ? event.acks.map(({ ack }) => ack) : []));
  const received = () =>
    events.flatMap((event): ReceivedMessage[] => (event.type === 'received' ? event.messages : []));

  it('sends with the id it is given, and the same id again changes nothing', async () => {
    await client.send([text(waId, false), text(waId, false)]);
    await until('it is read', () => acks().at(-1) === 3);
    await client.send([text(waId, true)]);
    await until('the repeat is answered', () => outcomes().length === 2);
    expect(outcomes()).toMatchObject([
      { result: 'accepted', waId, ack: 0 },
      { result: 'accepted', waId, ack: 3 },
    ]);
    expect(sandbox.network.messages().filter((message) => message.id === waId)).toMatchObject([{ repeats: 0 }]);
    expect(
      await client.find([
        { waId, chat },
        { waId: '3EB0FFFFFFFFFFFFFFFF', chat },
      ]),
    ).toMatchObject([{ waId, ack: 3 }]);
  });

  it('sends a file with its caption', async () => {
    const content = {
      type: 'image' as const,
      media: { mediaId: 'M1', mimeType: 'image/png', sizeBytes: png.length },
      caption: 'Look',
    };
    await client.send([{ waId, chat, content, mediaBase64: png.toString('base64'), retry: false }]);
    await until('it is read', () => acks().at(-1) === 3);
    expect(outcomes()).toMatchObject([{ result: 'accepted', waId }]);
    expect(sandbox.network.messages({ phone: friend })).toMatchObject([{ id: waId, type: 'image', caption: 'Look' }]);
  });

  it('unlinks itself, and is linked again', async () => {
    await client.logout();
    expect(sandbox.network.linked()).toEqual([]);
    events = [];
    client = makeClient();
    await client.start();
    await until('it is ready again', () => events.some((event) => event.type === 'ready'));
    await client.send([text(waId, false)]);
    await until('it is read', () => acks().at(-1) === 3);
  });

  it('tells before it is ready what its page has', () => {
    const types = events.map(({ type }) => type).filter((type) => type === 'self_test' || type === 'ready');
    expect(types).toEqual(['self_test', 'ready']);
    const [test] = events.flatMap((event) => (event.type === 'self_test' ? [event.selfTest] : []));
    const working = new Set([
      'send_text',
      'send_media',
      'receive',
      'acks',
      'history',
      'download_media',
      'check_numbers',
      'block',
    ]);
    expect(Object.keys(test!.missing).filter((feature) => working.has(feature))).toEqual([]);
    expect(test!.shims.filter(({ result }) => result === 'failed')).toEqual([]);
    expect(test!.tookMs).toBeLessThan(2_000);
  });

  it('keeps the order of messages handed over together, and refuses one without holding up the rest', async () => {
    const ids = Array.from({ length: 12 }, (_unused, index) => `3EB0BBBBBBBBBBBBBBBB${String(index).padStart(2, '0')}`);
    const unknown = parseJid('999757123456@c.us')!;
    await client.send([
      ...ids.slice(0, 6).map((id) => text(id, false)),
      { ...text('3EB0CCCCCCCCCCCCCCCC01', false), chat: unknown },
      ...ids.slice(6).map((id) => text(id, false)),
    ]);
    await until('all are answered', () => outcomes().length === 13);
    expect(outcomes().find((outcome) => outcome.waId.startsWith('3EB0C'))).toMatchObject({
      result: 'refused',
      reason: 'not_on_whatsapp',
    });
    await until('all have arrived', () => sandbox.network.messages({ phone: friend }).length === 12);
    expect(sandbox.network.messages({ phone: friend }).map((message) => message.id)).toEqual(ids);
  });

  it('tells what arrives, with the phone behind a LID, and fetches files', async () => {
    sandbox.network.receive({ to: own, from: friend, name: 'Asha', text: 'Sawa' });
    sandbox.network.receive({
      to: own,
      from: '255757123999',
      as: 'lid',
      lidKnown: false,
      media: { data: png, mimeType: 'image/png', caption: 'Look' },
    });
    await until('both are told', () => received().length === 2);
    const [sawa, picture] = received().toSorted((a) => (a.hasMedia ? 1 : -1));
    expect(sawa).toMatchObject({
      senderPhone: friend,
      senderName: 'Asha',
      content: { type: 'text', text: 'Sawa' },
      hasMedia: false,
    });
    expect(picture).toMatchObject({
      senderPhone: '255757123999',
      content: { type: 'image', caption: 'Look' },
      hasMedia: true,
    });
    expect((await client.downloadMedia(picture!.waKey)).data).toEqual(png);
  });

  it('finds after a restart what came before and meanwhile, in its order, and what was sent', async () => {
    await client.send([text(waId, false)]);
    await until('it is read', () => acks().at(-1) === 3);
    const since = Date.now() - 1_000;
    // More than the page reads at a time, and most of it within one second.
    const texts = Array.from({ length: 200 }, (_, index) => `missed ${index}`);
    for (const missed of texts.slice(0, 140)) sandbox.network.receive({ to: own, from: friend, text: missed });
    await until('all are told', () => received().length >= 140);
    await client.stop(5_000);
    for (const missed of texts.slice(140)) sandbox.network.receive({ to: own, from: friend, text: missed });
    events = [];
    client = makeClient();
    await client.start();
    await until('it is ready again', () => events.some((event) => event.type === 'ready'));
    // What the number itself has written is told as well.
    const missed = async () =>
      (await client.receivedSince(chat, since)).flatMap(({ content }) =>
        content.type === 'text' && content.text.startsWith('missed') ? [content.text] : [],
      );
    await until('all are found', async () => (await missed()).length === texts.length);
    expect(await missed()).toEqual(texts);
    expect(await client.find([{ waId, chat }])).toMatchObject([{ waId, ack: 3 }]);
    expect(await client.checkNumber(parseJid('999757123456@c.us')!)).toBeNull();
    expect(await client.probe(5_000)).toBe('CONNECTED');
  });
});
