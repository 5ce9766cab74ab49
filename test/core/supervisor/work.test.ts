import { expect, it } from 'vitest';
import { until } from '../../support/clock.ts';
import { account, pause, useSupervisor } from '../../support/supervisor.ts';

const bed = useSupervisor();
const { born, bringUp, start } = bed;

it.each([
  ['the database is away', Object.assign(new Error('away'), { code: 'DATABASE_TIMEOUT' })],
  ['the page does not tell', new Error('WhatsApp Web does not answer')],
])('looks up again what was missed while %s', async (_, error) => {
  let fails = 2;
  bed.tellMissed = async () => {
    if (fails-- > 0) throw error;
  };
  start('A');
  await born(1);
  expect(bed.behind).toEqual(['A']);
  bed.puppets[0]!.tell({ type: 'ready', account });
  await until('it is known', () => bed.behind.length === 0);
});

it('does not complain of a page that is closed while it tells what was missed', async () => {
  let closed = (): void => undefined;
  bed.tellMissed = () =>
    new Promise((_, reject) => (closed = () => reject(new Error('Protocol error: Target closed'))));
  await bringUp('A');
  await bed.supervisor.stop('A');
  closed();
  await pause(10);
  expect(bed.errors).toEqual([]);
});

it('sends while it is not known yet what was missed', async () => {
  bed.tellMissed = () => new Promise(() => undefined);
  await bringUp('A');
  expect(bed.behind).toEqual(['A']);
});

it('restarts a browser that has grown too large once nothing is on the way, and not soon again', async () => {
  await bringUp('A');
  bed.memory = { pssBytes: 2_000, rssBytes: 3_000 };
  await until('it is measured', () => bed.supervisor.memory('A')?.pssBytes === 2_000);
  await pause(30);
  expect(bed.puppets).toHaveLength(1);
  bed.clock.advance(1_801_000);
  await born(2);
  expect(bed.drained).toEqual(['A']);
  bed.puppets[1]!.tell({ type: 'ready', account });
  await until('it may send again', () => bed.ready.length === 2);
  await pause(50);
  expect(bed.puppets).toHaveLength(2);
  expect(bed.rows.get('A')!.attempts).toBe(0);
});

it('restarts it as soon while the clock is set back', async () => {
  await bringUp('A');
  bed.memory = { pssBytes: 2_000, rssBytes: 3_000 };
  bed.clock.advance(-3 * 3_600_000);
  await until('it is measured', () => bed.supervisor.memory('A')?.pssBytes === 2_000);
  bed.clock.advance(1_000_000);
  await pause(30);
  expect(bed.puppets).toHaveLength(1);
  bed.clock.advance(801_000);
  await born(2);
});

it('leaves a healthy browser alone while the database is away, and makes up for it', async () => {
  start('A');
  await born(1);
  bed.databaseFails = true;
  bed.puppets[0]!.tell({ type: 'ready', account });
  await pause(100);
  expect(bed.rows.get('A')!.state).toBe('starting');
  bed.databaseFails = false;
  await until('the state is written', () => bed.rows.get('A')!.state === 'ready');
  await until('it may send', () => bed.ready.length === 1);
  expect(bed.rows.get('A')).toMatchObject({ phone: account.phone, webVersion: account.webVersion });
  expect(bed.puppets).toHaveLength(1);
});

it('takes its work up again when the page was unpaired for a moment only', async () => {
  const { tell } = await bringUp('A');
  bed.clock.sleep = async () => void (await pause(30));
  tell({ type: 'connection', state: 'UNPAIRED' });
  tell({ type: 'connection', state: 'CONNECTED' });
  await until('it may send again', () => bed.ready.length === 2);
  await pause(60);
  expect(bed.puppets).toHaveLength(1);
  tell({ type: 'connection', state: 'UNPAIRED' });
  bed.probe = async () => 'UNPAIRED';
  await born(2);
});
