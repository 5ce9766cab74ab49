import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createFiles } from '../../../src/core/inbox/files.ts';
import { GatewayError } from '../../../src/model/errors.ts';
import type { Instance } from '../../../src/model/instance.ts';
import type { Message } from '../../../src/model/message.ts';
import { systemClock } from '../../../src/model/time.ts';
import type { ClientFile } from '../../../src/whatsapp/client.ts';
import { createScriptedClient } from '../../support/client.ts';
import { buildMessage, newId } from '../../support/factories.ts';

const second = 1_000;
const file: ClientFile = { data: Buffer.from('png'), mimeType: 'image/png' };
const instance = { id: 'INST-01-0000001', accountId: 'CUST-0001' } as Instance;

let download: () => Promise<ClientFile>;
let downloads: number;
let stored: ClientFile[];
let storing: () => Promise<void>;

beforeEach(() => {
  vi.useFakeTimers();
  [download, downloads, stored, storing] = [async () => file, 0, [], async () => undefined];
});
afterEach(() => vi.useRealTimers());

function build() {
  return createFiles({
    async storeMedia({ file: given }) {
      await storing();
      stored.push(given);
      return { mediaId: newId(), mimeType: given.mimeType, sizeBytes: given.data.length };
    },
    client: () => ({
      ...createScriptedClient(() => undefined),
      downloadMedia() {
        downloads += 1;
        return download();
      },
    }),
    clock: systemClock(),
    log: pino({ level: 'silent' }),
  });
}

const picture = (): Message =>
  buildMessage(instance, { direction: 'in', state: 'fetching', content: { type: 'image', caption: 'Look' } });

it('is fetched once and stored once', async () => {
  const message = await build().withFile(picture());
  expect(message.content).toMatchObject({ caption: 'Look', media: { mimeType: 'image/png' } });
  expect([downloads, stored]).toEqual([1, [file]]);
});

it('is asked for again when WhatsApp stumbles, and given up at the third time', async () => {
  const refused = () => Promise.reject(new Error('The line broke'));
  download = () => (downloads < 3 ? refused() : Promise.resolve(file));
  const fetching = build().withFile(picture());
  await vi.advanceTimersByTimeAsync(10 * second);
  expect((await fetching).content).toHaveProperty('media');
  expect([downloads, stored]).toEqual([3, [file]]);

  downloads = 0;
  download = refused;
  const lost = build().withFile(picture());
  await vi.advanceTimersByTimeAsync(10 * second);
  expect((await lost).content).toMatchObject({ caption: 'Look', mediaError: 'The line broke' });
  expect(downloads).toBe(3);
});

it('is not waited for longer than 45 s at a time', async () => {
  download = () => (downloads === 1 ? new Promise(() => undefined) : Promise.resolve(file));
  const fetching = build().withFile(picture());
  await vi.advanceTimersByTimeAsync(44 * second);
  expect(downloads).toBe(1);
  await vi.advanceTimersByTimeAsync(4 * second);
  expect((await fetching).content).toHaveProperty('media');
  expect(downloads).toBe(2);
});

it('comes three at a time, whoever waits', async () => {
  download = () => new Promise((resolve) => setTimeout(() => resolve(file), second));
  const { withFile } = build();
  const fetching = Promise.all(Array.from({ length: 7 }, () => withFile(picture())));
  await vi.advanceTimersByTimeAsync(0);
  expect(downloads).toBe(3);
  await vi.advanceTimersByTimeAsync(second);
  expect(downloads).toBe(6);
  await vi.advanceTimersByTimeAsync(2 * second);
  expect(await fetching).toHaveLength(7);
});

it('is marked to be fetched later when the disk is full, and downloaded once for that', async () => {
  storing = () => Promise.reject(new GatewayError('storage_full'));
  expect(await build().withFile(picture())).toMatchObject({ reason: 'media_missing' });
  expect(downloads).toBe(1);
});

it('waits for a database that is away with what it has', async () => {
  let away = 3;
  storing = async () => {
    if (away-- > 0) throw new GatewayError('unavailable');
  };
  const fetching = build().withFile(picture());
  await vi.advanceTimersByTimeAsync(10 * second);
  expect((await fetching).content).toHaveProperty('media');
  expect([downloads, stored.length]).toEqual([1, 1]);
});
