import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createFinisher, type Finished } from '../../../src/core/webhook/finisher.ts';

type Deps = Parameters<typeof createFinisher>[0];

/** A finisher over a database whose every write ends when the test says so. */
function build() {
  const written: string[][] = [];
  const ends: (() => void)[] = [];
  const deliveries: Partial<Deps['deliveries']> = {
    finish: (_, { results }) =>
      new Promise((resolve) =>
        ends.push(() => {
          written.push(results.map(({ id }) => id));
          resolve();
        }),
      ),
  };
  const finisher = createFinisher({
    database: { transaction: (work: (trx: unknown) => unknown) => work({}) } as unknown as Deps['database'],
    deliveries: deliveries as Deps['deliveries'],
    endpoints: {} as Deps['endpoints'],
    clock: { now: Date.now },
    log: pino({ level: 'silent' }),
    onDisabled: () => Promise.resolve(),
    onWritten: () => undefined,
  });
  const add = (id: string) =>
    finisher.add({
      endpoint: {},
      result: { id, state: 'delivered', attempt: 1, dueAt: 0 },
      attempts: [],
    } as unknown as Finished);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { finisher, add, written, ends, turn };
}

it('tells nobody that results are written while another writes them', async () => {
  const { finisher, add, written, ends, turn } = build();
  add('first');
  const first = finisher.flush();
  await turn();
  add('second');
  const told: string[][][] = [];
  const flush = () => finisher.flush().then(() => told.push([...written]));
  // Both wait for the first; then one of them writes the second, and the other waits for it too.
  const both = [flush(), flush()];
  ends[0]!();
  await first;
  await turn();
  expect(told).toEqual([]);
  ends[1]!();
  await Promise.all(both);
  expect(told).toEqual([
    [['first'], ['second']],
    [['first'], ['second']],
  ]);
  expect(ends).toHaveLength(2);
});
