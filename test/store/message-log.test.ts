import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { campaignId } from '../../src/model/campaign.ts';
import { createIdSource, idAt } from '../../src/model/ids.ts';
import type { Instance } from '../../src/model/instance.ts';
import { parseJid } from '../../src/model/jid.ts';
import { type Message, type MessageState, priorities } from '../../src/model/message.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createMessageLogStore, type LogFilter, type MessageLogStore } from '../../src/store/message-log.ts';
import { createMessageStore } from '../../src/store/messages.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { fullScans } from '../support/explain.ts';
import { buildInstance, buildMessage } from '../support/factories.ts';

const startAt = Date.UTC(2026, 0, 1);
const minuteMs = 60_000;
const rows = 12_000;
const states: MessageState[] = ['read', 'delivered', 'sent', 'failed'];
const chats = Array.from({ length: 20 }, (_, index) => parseJid(`2557571000${10 + index}@c.us`)!);
const longChat = chats[0]!;

forEachDatabase((open) => {
  describe('the log', () => {
    let opened: TestDatabase;
    let log: MessageLogStore;
    let instances: Instance[];
    let all: Message[];

    /** Two instances and another account's; half of all in one chat; few received, fewer failed; 500 of a campaign; 200 yet to come. */
    beforeAll(async () => {
      opened = await open();
      const first = await buildInstance(opened.database);
      const second = await createInstanceStore(opened.database).create({
        accountId: first.accountId,
        title: null,
        defaultCountry: null,
        now: startAt,
      });
      const foreign = { ...second, id: 'INST-01-9999999', accountId: 'CUST-9999' };
      instances = [first, second, foreign];
      log = createMessageLogStore(opened.database);
      all = Array.from({ length: rows }, (_, index) => {
        const at = startAt + index * minuteMs;
        const inbound = index % 100 === 7;
        const instance = index % 1_000 === 1 ? foreign : index % 10 === 0 ? second : first;
        return buildMessage(instance, {
          id: createIdSource(() => at)(),
          createdAt: at,
          chat: index % 2 ? longChat : chats[index % chats.length]!,
          direction: inbound ? 'in' : 'out',
          state: inbound ? 'received' : index % 500 === 3 ? 'failed' : states[index % 3]!,
          priority: Object.values(priorities)[index % 3]!,
          ...(index >= 6_000 && index < 6_500 && { campaign: { campaignId: campaignId(1), lane: 0, seq: index } }),
        });
      });
      for (let index = 0; index < 200; index += 1) {
        const sendAt = startAt + (rows + index) * minuteMs;
        const id = idAt(sendAt, createIdSource(() => startAt)());
        all.push(buildMessage(first, { id, createdAt: startAt, sendAt, state: 'scheduled' }));
      }
      const store = createMessageStore(opened.database);
      await opened.database.transaction(async (trx) => {
        for (let at = 0; at < all.length; at += 500) await store.insert(all.slice(at, at + 500), trx);
      });
      if (opened.database.engine === 'mysql') await opened.database.knex.raw('ANALYZE TABLE messages');
    });
    afterAll(() => opened.drop());

    const everything: Omit<LogFilter, 'accountId'> = {
      instanceId: null,
      chats: null,
      direction: null,
      states: null,
      campaignId: null,
      sinceAt: null,
      untilAt: null,
    };

    const at = (message: Message) => message.sendAt ?? message.createdAt;

    /** What a page must hold, by looking at every message. */
    function expected(patch: Partial<LogFilter>): string[] {
      const filter = { ...everything, accountId: instances[0]!.accountId, ...patch };
      return all
        .filter(
          (message) =>
            message.accountId === filter.accountId &&
            (!filter.instanceId || message.instanceId === filter.instanceId) &&
            (!filter.chats || filter.chats.includes(message.chat)) &&
            (!filter.direction || message.direction === filter.direction) &&
            (!filter.states || filter.states.includes(message.state)) &&
            (!filter.campaignId || message.campaign?.campaignId === filter.campaignId) &&
            (!filter.sinceAt || at(message) >= filter.sinceAt) &&
            (!filter.untilAt || at(message) < filter.untilAt),
        )
        .map((message) => message.id)
        .toSorted()
        .toReversed();
    }

    async function read(patch: Partial<LogFilter>, limit: number, most = Infinity): Promise<string[]> {
      const found: string[] = [];
      let before: string | null = null;
      do {
        const filter = { ...everything, accountId: instances[0]!.accountId, ...patch };
        const page: Awaited<ReturnType<MessageLogStore['page']>> = await log.page({ ...filter, before, limit });
        expect(page.messages.length).toBeLessThanOrEqual(limit);
        found.push(...page.messages.map((message) => message.id));
        before = page.next;
      } while (before !== null && found.length < most);
      return found;
    }

    const cases: [string, (of: Instance[]) => Partial<LogFilter>][] = [
      ['everything', () => ({})],
      ['an instance', ([, second]) => ({ instanceId: second!.id })],
      ['an account that has one message in a thousand', ([, , foreign]) => ({ accountId: foreign!.accountId })],
      ['a chat', () => ({ chats: [chats[4]!] })],
      ['two chats', () => ({ chats: [longChat, chats[2]!] })],
      ['a long chat’s few failures', () => ({ chats: [longChat], states: ['failed'] })],
      ['what came in', () => ({ direction: 'in' })],
      ['what went out', () => ({ direction: 'out' })],
      ['what came in to an instance', ([first]) => ({ instanceId: first!.id, direction: 'in' })],
      ['a state', () => ({ states: ['failed'] })],
      ['two states of an instance', ([first]) => ({ instanceId: first!.id, states: ['failed', 'scheduled'] })],
      ['a state that cannot be', () => ({ direction: 'in', states: ['sent'] })],
      ['a campaign', () => ({ campaignId: 'WAP-CAM-0001' })],
      ['a campaign’s failures', () => ({ campaignId: 'WAP-CAM-0001', states: ['failed'] })],
      ['a campaign that is not there', () => ({ campaignId: 'WAP-CAM-0099' })],
      ['a span of time', () => ({ sinceAt: startAt + 50 * minuteMs, untilAt: startAt + 90 * minuteMs })],
      ['what is to come', () => ({ sinceAt: startAt + rows * minuteMs })],
      [
        'all at once',
        ([first]) => ({
          instanceId: first!.id,
          chats: [longChat],
          direction: 'out',
          states: ['read', 'sent'],
          sinceAt: startAt + minuteMs,
          untilAt: startAt + 3_000 * minuteMs,
        }),
      ],
    ];

    it.each(cases)('finds %s, page by page, none twice', async (_name, filterOf) => {
      const filter = filterOf(instances);
      const whole = expected(filter);
      for (const { limit, most } of [
        { limit: 500, most: 3_000 },
        { limit: 7, most: 50 },
      ]) {
        const found = await read(filter, limit, most);
        expect(found.length).toBeGreaterThanOrEqual(Math.min(whole.length, most));
        expect(found).toEqual(whole.slice(0, found.length));
      }
    });

    it.each(cases)('goes straight to a page far behind in %s', async (_name, filterOf) => {
      const { knex, engine } = opened.database;
      if (engine === 'sqlite') return;
      const statements: { sql: string; bindings: unknown[] }[] = [];
      const listen = (query: (typeof statements)[number]) => void statements.push(query);
      const filter = { ...everything, accountId: instances[0]!.accountId, ...filterOf(instances) };
      knex.on('query', listen);
      await log.page({ ...filter, before: filter.sinceAt === null ? all[1_000]!.id : null, limit: 50 });
      knex.off('query', listen);
      for (const { sql, bindings } of statements.filter((query) => query.sql.includes('force index'))) {
        const [plan] = (await knex.raw(`EXPLAIN ${sql}`, bindings as string[])) as [{ table: string; type: string }[]];
        const steps = plan.filter(({ table }) => table === 'messages');
        expect(steps.length).toBeGreaterThan(0);
        expect(steps.filter(({ type }) => type !== 'range')).toEqual([]);
      }
    });

    it.each(cases)('reads %s by an index', async (_name, filterOf) => {
      const statements = new Map<string, unknown[]>();
      const listen = ({ sql, bindings }: { sql: string; bindings: unknown[] }) => void statements.set(sql, bindings);
      opened.database.knex.on('query', listen);
      await read(filterOf(instances), 50, 200);
      opened.database.knex.off('query', listen);
      expect(await fullScans(opened.database, statements)).toEqual([]);
    });
  });
});
