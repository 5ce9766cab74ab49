import { expect, it } from 'vitest';
import { forEachDatabaseAndRepeated } from '../../support/database.ts';
import { textOf, useWebhookBed } from '../../support/webhook-bed.ts';
import { buildWebhooks } from '../../support/webhooks.ts';

forEachDatabaseAndRepeated((open) => {
  const bed = useWebhookBed(open);
  const { build, closers, connected, receiver } = bed;

  it('delivers again, with the same id, what was under way when the process was killed', async () => {
    const target = await receiver();
    const dead = await buildWebhooks(bed.db.database, bed.dataDir, { timeoutMs: 60_000 });
    dead.webhooks.start();
    closers.push(() => dead.outbound.close());
    await dead.webhooks.set(dead.accountId, { url: target.url, dialect: 'plain' });
    target.answer(() => undefined);
    await dead.receive([{ text: 'once' }]);
    const [first] = await target.received(1);
    // Nothing is told to stop: a killed process does not get to write.
    target.answer((_, response) => response.end());
    const bench = await build();
    const [, second] = await target.received(2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.body).toBe(first?.body);
    await bench.settled();
  });

  it('finishes what is under way when it stops, and leaves the rest for the next start', async () => {
    const { target, receive, webhooks, states } = await connected();
    target.answer((_, response) => setTimeout(() => response.end(), 100));
    await receive(Array.from({ length: 20 }, (_, chat) => ({ chat })));
    await target.received(8);
    await webhooks.stop();
    const { delivered = 0, pending = 0 } = await states();
    expect(delivered).toBe(target.requests.length);
    expect(delivered + pending).toBe(20);
    const next = await build();
    await next.settled();
    expect(target.requests).toHaveLength(20);
  });

  it('goes on after the database did not answer for a while, losing nothing', async () => {
    const { target, receive, settled } = await connected();
    let failures = 3;
    const original = bed.db.database.transaction.bind(bed.db.database);
    target.answer((_, response) => {
      // The answer has been given; writing it down fails.
      Object.assign(bed.db.database, {
        transaction: (work: never) => (failures-- > 0 ? Promise.reject(new Error('database is away')) : original(work)),
      });
      response.end();
    });
    try {
      await receive([{ text: '1' }, { text: '2' }, { text: '3' }]);
      await settled();
    } finally {
      Object.assign(bed.db.database, { transaction: original });
    }
    expect(target.requests.map(textOf)).toEqual(['1', '2', '3']);
  });

  it('works through a backlog many times larger than what it holds', async () => {
    const { target, receive, settled, webhooks, accountId } = await connected();
    target.answer((_, response) => response.end());
    const chats = Array.from({ length: 1500 }, (_, index) => ({ chat: index % 40, text: String(index) }));
    await webhooks.set(accountId, { url: target.url, dialect: 'plain' });
    await receive(chats);
    await settled();
    expect(target.requests).toHaveLength(1500);
    expect(new Set(target.requests.map(textOf)).size).toBe(1500);
  });
});
