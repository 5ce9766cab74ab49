import { pino } from 'pino';
import { it } from 'vitest';
import { createAmendments } from '../../src/core/amendments.ts';
import { createDispatcher } from '../../src/core/campaign/dispatcher.ts';
import { createInbox } from '../../src/core/inbox.ts';
import { createTimetable } from '../../src/core/outbox/timetable.ts';
import type { Instance } from '../../src/model/instance.ts';
import type { Message } from '../../src/model/message.ts';
import { createTestClock, until } from '../support/clock.ts';
import { buildReceived } from '../support/factories.ts';

/**
 * Who works through a queue ends when it is empty; what comes in the very moment of its end must not be left lying. The moment is a
 * few turns of the microtask queue long, so each turn is tried, and everything else is made of microtasks too.
 */
const turns = Array.from({ length: 40 }, (_, turn) => turn);

async function after(turn: number, work: () => void): Promise<void> {
  for (let passed = 0; passed < turn; passed += 1) await Promise.resolve();
  work();
}

const log = pino({ level: 'silent' });
const clock = createTestClock();
const instance = { id: 'INST-1', accountId: 'CUST-0001', lastEventAt: 1 } as Instance;
const database = { transaction: (work: (trx: unknown) => Promise<unknown>) => work({}) };
/** Answers every call with nothing, in a microtask. */
const silent = (known: object) => new Proxy(known, { get: (_, name) => Reflect.get(known, name) ?? (async () => []) });

it.each(turns)('writes a message that is received %i turns after the last one', async (turn) => {
  let written = 0;
  const inbox = createInbox({
    database,
    instances: silent({ byId: async () => instance }),
    messages: silent({
      known: async () => new Set(),
      insert: async (rows: unknown[]) => void (written += rows.length),
    }),
    lids: silent({ phones: async () => new Map() }),
    announcer: {
      async enqueue() {
        if (written === 1) void after(turn, () => inbox.receive(instance.id, [buildReceived()]));
      },
    },
    newId: () => 'id',
    clock,
    log,
  } as never);
  inbox.receive(instance.id, [buildReceived()]);
  await until('both are written', () => written === 2, 2_000);
});

it.each(turns)('writes a change that is made %i turns after the last one of its chat', async (turn) => {
  const chat = '255757123456@c.us';
  let told = 0;
  const row = { id: 'M1', waId: 'W1', chat, content: { type: 'text', text: 'a' } } as unknown as Message;
  const edit = (text: string, editedAt: number) =>
    amendments.take(instance.id, [{ type: 'edited', waId: 'W1', chats: [chat], text, editedAt } as never]);
  const amendments = createAmendments({
    database,
    instances: silent({ byId: async () => instance }),
    store: silent({ lock: async () => [row] }),
    announcer: {
      async enqueue(_: unknown, events: unknown[]) {
        told += events.length;
        if (told === 1) void after(turn, () => edit('c', 2));
      },
    },
    announced: async () => undefined,
    clock,
    log,
  } as never);
  edit('b', 1);
  await until('both are told', () => told === 2, 2_000);
});

it.each(turns)('looks at campaigns again that change %i turns after it has begun to look', async (turn) => {
  let looks = 0;
  const dispatcher = createDispatcher({
    campaigns: silent({
      async ofInstance() {
        looks += 1;
        if (looks === 1) void after(turn, () => dispatcher.nudge(instance.id));
        return [];
      },
    }),
    clock,
    log,
  } as never);
  dispatcher.nudge(instance.id);
  await until('it has looked twice', () => looks === 2, 2_000);
});

it.each(turns)(
  'moves a message at its time that is written %i turns after the next time was asked for',
  async (turn) => {
    let moved = false;
    let noted = false;
    const timetable = createTimetable({
      due: silent({
        async nextAt() {
          if (!noted) void after(turn, () => timetable.note([{ id: 'M1', dueAt: clock.now() + 1 }]));
          noted = true;
          return null;
        },
        async due() {
          moved ||= noted;
          return [];
        },
      }),
      clock,
      log,
    } as never);
    await timetable.start();
    await until('it has looked again', () => moved, 2_000);
    await timetable.close();
  },
);
