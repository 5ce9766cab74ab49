import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createMissingFiles } from '../../../src/core/media/missing-files.ts';
import { GatewayError } from '../../../src/model/errors.ts';
import type { NewEvent } from '../../../src/model/events.ts';
import type { Instance } from '../../../src/model/instance.ts';
import type { Message } from '../../../src/model/message.ts';
import { createAmendmentStore } from '../../../src/store/amendments.ts';
import { createInstanceStore } from '../../../src/store/instances.ts';
import { createMessageStore } from '../../../src/store/messages.ts';
import { createMissingFileStore } from '../../../src/store/missing-files.ts';
import { announcerInto } from '../../support/announcer.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../../support/database.ts';
import { buildInstance, buildMessage, newId } from '../../support/factories.ts';

const day = 86_400_000;

forEachDatabaseAndRepeated((open) => {
  let db: TestDatabase;
  let instance: Instance;
  let events: NewEvent[];
  /** What the page and the disk do now. */
  let page: 'answers' | 'is away' | 'has lost it';
  let disk: 'has room' | 'is full';
  let downloads: number;
  let now: number;
  /** Happens while a file is on its way. */
  let meanwhile: () => Promise<void>;
  beforeEach(async () => {
    db = await open();
    instance = await buildInstance(db.database);
    [events, page, disk, downloads, now] = [[], 'answers', 'has room', 0, Date.now()];
    meanwhile = async () => undefined;
  });
  afterEach(() => db.drop());

  function build() {
    const { database } = db;
    return createMissingFiles({
      database,
      store: createMissingFileStore(database),
      messages: createMessageStore(database),
      instances: createInstanceStore(database),
      announcer: announcerInto(events),
      async storeMedia() {
        if (disk === 'is full') throw new GatewayError('storage_full');
        return { mediaId: newId(), mimeType: 'image/png', sizeBytes: 1 };
      },
      client() {
        if (page === 'is away') throw new Error('not ready');
        return {
          async downloadMedia() {
            downloads += 1;
            await meanwhile();
            if (page === 'has lost it') throw new Error('the file is gone');
            return { data: Buffer.from('x'), mimeType: 'image/png' };
          },
        };
      },
      clock: { now: () => now },
      log: pino({ level: 'silent' }),
    });
  }

  /** Stores a received message without its file, and marks it. */
  async function receive(missing: ReturnType<typeof build>): Promise<Message> {
    const content = { type: 'image' as const, caption: 'look', mediaError: 'no room' };
    const message = buildMessage(instance, { direction: 'in', state: 'received', content });
    await createMessageStore(db.database).insert([message]);
    await db.database.transaction((trx) => missing.mark(trx, message));
    return message;
  }
  const contentOf = async ({ id }: Message) => (await createMessageStore(db.database).byIds([id]))[0];

  it('fetches a file once there is room, tells of it once, and asks for nothing after', async () => {
    const missing = build();
    const message = await receive(missing);
    disk = 'is full';
    await missing.tick();
    expect(await contentOf(message)).toMatchObject({ reason: 'media_missing', content: { mediaError: 'no room' } });
    disk = 'has room';
    await missing.tick();
    await missing.tick();
    await missing.tick();
    expect(downloads).toBe(2);
    expect(events).toMatchObject([
      { type: 'message.media', payload: { messageId: message.id }, orderKey: message.chat },
    ]);
    const stored = await contentOf(message);
    expect(stored).toMatchObject({ reason: null, content: { caption: 'look', media: { mimeType: 'image/png' } } });
    expect(stored?.content).not.toHaveProperty('mediaError');
  });

  it('goes on after a restart, when the page is back', async () => {
    const message = await receive(build());
    const missing = build();
    page = 'is away';
    await missing.tick();
    expect(events).toEqual([]);
    page = 'answers';
    await missing.tick();
    expect((await contentOf(message))?.reason).toBeNull();
    expect(events).toHaveLength(1);
  });

  it('tells of a file once when two fetch it at the same time', async () => {
    const [missing, other] = [build(), build()];
    await receive(missing);
    meanwhile = async () => {
      meanwhile = async () => undefined;
      await other.tick();
    };
    await missing.tick();
    expect([downloads, events.length]).toEqual([2, 1]);
  });

  it('keeps a caption that was edited while the file was on its way', async () => {
    const missing = build();
    const message = await receive(missing);
    meanwhile = () =>
      db.database.transaction((trx) =>
        createAmendmentStore(db.database).edit(trx, message.id, {
          content: { ...message.content, caption: 'look here' } as Message['content'],
          editedAt: now,
        }),
      );
    await missing.tick();
    expect(await contentOf(message)).toMatchObject({ reason: null, content: { caption: 'look here', media: {} } });
  });

  it('gives up what WhatsApp does not have any more, and what is two weeks old', async () => {
    const missing = build();
    const message = await receive(missing);
    page = 'has lost it';
    await missing.tick();
    await missing.tick();
    expect(downloads).toBe(1);
    expect(await contentOf(message)).toMatchObject({ reason: null, content: { mediaError: 'the file is gone' } });

    await receive(missing);
    now += 15 * day;
    await missing.tick();
    expect([downloads, events]).toEqual([1, []]);
  });
});
