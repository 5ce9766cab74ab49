import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createInbox, type Inbox } from '../../../src/core/inbox.ts';
import { createWork } from '../../../src/core/supervisor/work.ts';
import type { Standing } from '../../../src/core/supervisor/standing.ts';
import type { Instance } from '../../../src/model/instance.ts';
import { phoneJid } from '../../../src/model/jid.ts';
import { createInstanceStore } from '../../../src/store/instances.ts';
import { createLidStore } from '../../../src/store/lids.ts';
import { announcerInto } from '../../support/announcer.ts';
import { type CampaignBed, createCampaignBed, phones } from '../../support/campaigns.ts';
import { createTestClock, until } from '../../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../../support/database.ts';
import { buildInstance, buildMessage, buildReceived, newId } from '../../support/factories.ts';

const [quitter] = phones(1);

forEachDatabase((open) => {
  let opened: TestDatabase;
  let instance: Instance;
  let bed: CampaignBed;
  let inbox: Inbox;
  /** The page tells what was missed. */
  let tell: () => void;

  /** A gateway whose instance was away while somebody opted out, with its page about to be ready. */
  beforeEach(async () => {
    opened = await open();
    const { database } = opened;
    instance = await buildInstance(database, { lastEventAt: Date.now() - 60_000 });
    const clock = createTestClock();
    bed = createCampaignBed({ database, instance, clock, hasHeard: (id) => inbox.hasHeard(id) });
    inbox = createInbox({
      database,
      messages: bed.messages,
      instances: createInstanceStore(database),
      lids: createLidStore(database),
      announcer: announcerInto(bed.events),
      listener: bed.optOuts,
      heard: bed.dispatcher.nudge,
      storeMedia: async () => ({ mediaId: newId(), mimeType: 'text/plain', sizeBytes: 1 }),
      client: () => bed.client,
      clock,
      newId,
      log: pino({ level: 'silent' }),
    });
    const told = new Promise<void>((resolve) => (tell = resolve));
    const stop = buildReceived({
      sender: phoneJid(quitter!),
      senderPhone: quitter!,
      content: { type: 'text', text: 'STOP' },
    });
    bed.client.chatsSince = async () => [stop.chat];
    bed.client.receivedSince = async () => {
      await told;
      return [stop];
    };
    const work = createWork({
      instanceId: instance.id,
      client: bed.client,
      standing: { state: 'ready' } as Standing,
      outbox: bed.outbox,
      inbox,
      amendments: { catchUp: async () => undefined },
      clock,
      log: pino({ level: 'silent' }),
    });
    inbox.pageBegins(instance.id);
    work.takeUp();
  });

  afterEach(async () => {
    tell();
    await inbox.settled();
    await bed.close();
    await opened.drop();
  });

  it('keeps campaigns until it is known who opted out meanwhile, and nothing else', async () => {
    const { id } = await bed.campaign(phones(2));
    const status = () => bed.campaigns.status(bed.caller, id);
    await until('it is held', async () => (await status()).hold === 'catching_up');
    const code = buildMessage(instance, { content: { type: 'text', text: 'your code' } });
    await opened.database.transaction((trx) => bed.messages.insert([code], trx));
    bed.outbox.added([code]);
    await until('it is sent', () => bed.client.sent.length > 0);
    expect(bed.texts()).toEqual(['your code']);
    tell();
    await until('it is completed', async () => (await status()).state === 'completed');
    expect(bed.texts()).toEqual(['your code', 'hello']);
    expect((await bed.counts(id)).rows).toMatchObject({ accepted: 1, opted_out: 1 });
  });
});
