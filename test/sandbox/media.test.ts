import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import whatsapp from 'whatsapp-web.js';
import type { Client, Message, MessageSendOptions } from 'whatsapp-web.js';
import { createTestBed, once, until } from './support.ts';
import type { TestBed } from './support.ts';

const PHONE = '491700000001';
const ANN = '491700000002';
const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP4z8CAB+GTG8HSALfKY52fTcuYAAAAAElFTkSuQmCC',
  'base64',
);
const SOUND = Buffer.concat([Buffer.from('OggS'), randomBytes(2000)]);
const FILE = randomBytes(300_000);

let bed: TestBed;
let client: Client;
beforeAll(async () => {
  bed = await createTestBed();
  client = await bed.start('a', { linkAs: PHONE });
});
afterAll(() => bed?.close());

/** Sends a file and gives what the network kept of it, once it was read. */
async function send(data: Buffer, mimeType: string, filename: string, options: MessageSendOptions = {}) {
  const media = new whatsapp.MessageMedia(mimeType, data.toString('base64'), filename);
  const sent = await client.sendMessage(`${ANN}@c.us`, media, options);
  return until(() => bed.sandbox.network.messages().find(({ id, acks }) => id === sent.id.id && acks === 3));
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

describe('sending files', () => {
  it.each([
    ['a picture', PICTURE, 'image/png', 'dot.png', { caption: 'a dot' }, { type: 'image', caption: 'a dot' }],
    ['a document', FILE, 'application/pdf', 'bill.pdf', { caption: 'bill' }, { type: 'document', caption: 'bill' }],
    ['a picture as a document', PICTURE, 'image/png', 'dot.png', { sendMediaAsDocument: true }, { type: 'document' }],
    ['a voice message', SOUND, 'audio/ogg; codecs=opus', 'voice.ogg', { sendAudioAsVoice: true }, { type: 'ptt' }],
    ['a sound', SOUND, 'audio/mpeg', 'sound.mp3', {}, { type: 'audio' }],
    ['a film', FILE, 'video/mp4', 'film.mp4', { caption: 'film' }, { type: 'video', caption: 'film' }],
  ])('brings %s to the other side unchanged', async (_case, data, mimeType, filename, options, expected) => {
    const message = await send(data, mimeType, filename, options);
    expect(message).toMatchObject(expected);
    expect(message.media).toMatchObject({ mimeType, sizeBytes: data.byteLength, sha256: sha256(data) });
    expect(message.media?.filename).toBe(expected.type === 'document' ? filename : undefined);
    expect(data.equals(readFileSync(message.media?.path ?? ''))).toBe(true);
  });

  it('refuses a picture that is none', async () => {
    await expect(send(Buffer.from('no picture'), 'image/png', 'x.png')).rejects.toThrow('Image tag load error');
  });

  it('gives the bytes of an own message back after a restart of the browser', async () => {
    const message = await send(FILE, 'application/zip', 'files.zip');
    await client.destroy();
    client = await bed.start('a');
    const own = await client.getMessageById(`true_${ANN}@c.us_${message.id}`);
    expect(own).toMatchObject({ hasMedia: true, type: 'document' });
    const media = await own.downloadMedia();
    expect(FILE.equals(Buffer.from(media.data, 'base64'))).toBe(true);
    expect(media).toMatchObject({ mimetype: 'application/zip', filename: 'files.zip' });
  });
});

describe('receiving files', () => {
  it.each([
    ['a picture', PICTURE, 'image/png', { caption: 'a dot' }, 'image'],
    ['a voice message', SOUND, 'audio/ogg; codecs=opus', { voice: true }, 'ptt'],
    ['a document', FILE, 'application/pdf', { filename: 'bill.pdf' }, 'document'],
    ['a film', FILE, 'video/mp4', {}, 'video'],
  ])('downloads %s as it was sent', async (_case, data, mimeType, details, type) => {
    const coming = once(client, 'message');
    bed.sandbox.network.receive({ to: PHONE, from: ANN, media: { data, mimeType, ...details } });
    const [message] = (await coming) as [Message];
    expect(message).toMatchObject({ type, hasMedia: true, body: 'caption' in details ? details.caption : '' });
    const media = await message.downloadMedia();
    expect(data.equals(Buffer.from(media.data, 'base64'))).toBe(true);
    expect(media.mimetype).toBe(mimeType);
    if ('filename' in details) expect(media.filename).toBe(details.filename);
  });
});
