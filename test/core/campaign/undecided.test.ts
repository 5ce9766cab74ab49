import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openWithdrawalJournal } from '../../../src/core/withdrawal-journal.ts';
import { isUndecided, toGatewayError } from '../../../src/model/errors.ts';
import type { Instance } from '../../../src/model/instance.ts';
import type { Database } from '../../../src/store/database.ts';
import { type CampaignBed, createCampaignBed, phones } from '../../support/campaigns.ts';
import { createTestClock, until } from '../../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../../support/database.ts';
import { buildInstance } from '../../support/factories.ts';
import { losing, type LosingDatabase } from '../../support/losing.ts';

/** The database is lost while it commits that a new campaign is there: it is, or it is not. */
forEachDatabase((open) => {
  let opened: TestDatabase;
  let database: LosingDatabase;
  let instance: Instance;
  let dataDir: string;
  let bed: CampaignBed;
  /** What happens between a lost commit and the moment in which it is given up. */
  let meanwhile: () => Promise<unknown>;
  let refusedDeletes: number;

  beforeEach(async () => {
    opened = await open();
    database = losing(opened.database);
    instance = await buildInstance(opened.database);
    meanwhile = async () => undefined;
    refusedDeletes = 0;
    dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-undecided-'));
    await startGateway();
    await bed.connect();
  });

  afterEach(async () => {
    await bed.close();
    await opened.drop();
    await rm(dataDir, { recursive: true });
  });

  /** A gateway's campaigns, as they are after a start on the same database and data folder. */
  async function startGateway(): Promise<void> {
    const slow: Database = {
      ...database,
      transaction: (work) =>
        database.transaction(work).catch(async (error: unknown) => {
          if (isUndecided(error)) await meanwhile();
          throw error;
        }),
    };
    const journal = await openWithdrawalJournal({ dataDir, log: pino({ level: 'silent' }) });
    bed = createCampaignBed({ database: slow, instance, clock: createTestClock(), journal });
  }

  /** What the former gateway still tries does not reach the database any more. */
  async function restart(): Promise<void> {
    await bed.close();
    database = losing(opened.database);
    await startGateway();
    await bed.lifecycle.start();
  }

  /** Full transactions only, so that the next commit after the list is the one that publishes it. */
  async function* listThenLoss(happened: boolean, thenAway = false) {
    yield phones(4_000).map((number) => ({ number }));
    database.loseNext(1, happened, { thenAway });
  }
  async function* list(length: number) {
    yield phones(length).map((number) => ({ number }));
  }
  const codeOf = (error: unknown) => toGatewayError(error).code;
  const create = (happened: boolean, patch = {}) =>
    bed.campaign([], { recipients: listThenLoss(happened), ...patch }).catch(codeOf);
  const count = async (table: string) => Number((await opened.database.knex(table).count({ n: '*' }).first())!['n']);
  const gone = () => until('it is gone', async () => (await count('campaigns')) === 0);

  /** Recipients cannot be removed until the returned function is called. */
  function failDeletes(code: string): () => void {
    const client = opened.database.knex.client as { _query(connection: unknown, query: { sql: string }): unknown };
    const ask = client._query.bind(client);
    client._query = async (connection, query) => {
      if (!/^delete from .campaign_recipients/.test(query.sql)) return ask(connection, query);
      refusedDeletes += 1;
      throw Object.assign(new Error('no'), { code });
    };
    return () => void (client._query = ask);
  }

  it.each([true, false])(
    'sends nothing of a campaign that is refused, and leaves nothing (happened: %s)',
    async (happened) => {
      meanwhile = () => bed.dispatcher.step(instance.id);
      expect(await create(happened)).toBe('unavailable');
      await bed.dispatcher.step(instance.id);
      await gone();
      expect([bed.client.sent.length, await count('messages'), await count('campaign_recipients')]).toEqual([0, 0, 0]);
    },
  );

  it.each([true, false])(
    'makes one campaign when it is asked for again with its key (happened: %s)',
    async (happened) => {
      const idempotency = { key: 'spring-sale', requestHash: 'the same' };
      expect(await create(happened, { idempotency })).toBe('unavailable');
      const again = () => bed.campaign(phones(3), { idempotency }).catch(codeOf);
      await until('it is made', async () => {
        const made = await again();
        if (typeof made === 'string') expect(made).toBe('unavailable');
        return typeof made !== 'string';
      });
      await again();
      await until('it is sent', () => bed.client.sent.length === 3);
      expect([await count('campaigns'), await count('campaign_recipients')]).toEqual([1, 3]);
    },
  );

  it('is removed by the next start when the gateway ends before it is', async () => {
    const letGo = failDeletes('KILLED');
    expect(await create(true)).toBe('unavailable');
    await until('it is being undone', () => refusedDeletes > 0);
    letGo();
    await bed.close();

    await startGateway();
    await bed.lifecycle.start();
    await gone();
    expect(await count('campaign_recipients')).toBe(0);
  });

  it.each([true, false])(
    'sends nothing of one that is refused when the gateway ends before it can undo it (happened: %s)',
    async (happened) => {
      const idempotency = { key: 'spring-sale', requestHash: 'the same' };
      const recipients = listThenLoss(happened, true);
      expect(await create(happened, { recipients, idempotency })).toBe('unavailable');
      await restart();
      await bed.outbox.start();
      await bed.connect();
      await bed.dispatcher.step(instance.id);
      expect(bed.client.sent).toEqual([]);
      expect(await Promise.all(['campaigns', 'campaign_recipients', 'idempotency_keys'].map(count))).toEqual([0, 0, 0]);
    },
  );

  it('leaves another campaign alone that was given its number', async () => {
    const recipients = listThenLoss(true, true);
    expect(await create(true, { recipients })).toBe('unavailable');
    // It is taken back, the next one is made, and the gateway is killed before it notes that.
    const journal = await readFile(join(dataDir, 'withdrawals.jsonl'));
    await restart();
    const { id } = await bed.campaign(phones(1), { start: false });
    expect(id).toBe('WAP-CAM-0001');
    await writeFile(join(dataDir, 'withdrawals.jsonl'), journal);
    await restart();
    expect((await bed.campaigns.status(bed.caller, id)).counts.queued).toBe(1);
  });

  it('takes no list before the rows of one that was refused are gone, and then takes it whole', async () => {
    const { id } = await bed.campaign(phones(1), { start: false });
    const add = (recipients: AsyncIterable<{ number: string }[]>) =>
      bed.campaigns.add(bed.caller, id, { recipients }).then(() => 'added', toGatewayError);
    const letGo = failDeletes('DATABASE_TIMEOUT');
    expect(await add(listThenLoss(false))).toMatchObject({ code: 'unavailable' });
    await until('it is tried in vain', () => refusedDeletes > 1);
    expect(await add(list(10))).toMatchObject({ message: expect.stringContaining('still being undone') });
    expect((await bed.campaigns.status(bed.caller, id)).counts.queued).toBe(1);
    letGo();
    await until('it is taken', async () => (await add(list(10))) === 'added');
    const { counters, rows } = await bed.counts(id);
    expect(counters).toEqual(rows);
    expect(counters.queued).toBe(10);
  });
});
