import { expect, it } from 'vitest';
import { actionTable } from '../../../src/model/action.ts';
import { until } from '../../support/clock.ts';
import { account, pause, useSupervisor } from '../../support/supervisor.ts';

const bed = useSupervisor();
const { born, bringUp, start } = bed;

it.each([
  ['TIMEOUT', 'A disconnected: WhatsApp Web cannot reach WhatsApp'],
  ['CONFLICT', `A action_required: ${actionTable.taken_over}`],
  ['TOS_BLOCK', `A action_required: ${actionTable.tos_block}`],
])('takes the connection state %s for what it means, and back', async (connection, state) => {
  start('A');
  await born(1);
  bed.puppets[0]!.tell({ type: 'ready', account });
  await until('it may send', () => bed.ready.length === 1);
  bed.probe = async () => connection;
  bed.puppets[0]!.tell({ type: 'connection', state: connection });
  await until('the state is told', () => bed.states.includes(state));
  expect(() => bed.supervisor.client('A')).toThrow('not connected');
  bed.probe = async () => 'CONNECTED';
  bed.puppets[0]!.tell({ type: 'connection', state: 'CONNECTED' });
  await until('it may send again', () => bed.ready.length === 2);
});

it('takes the link back where it is told to, a few times only', async () => {
  const { tell } = await bringUp('A', { onConflict: 'takeover' });
  for (let time = 0; time < 5; time += 1) {
    tell({ type: 'connection', state: 'CONFLICT' });
    await pause(15);
    tell({ type: 'connection', state: 'CONNECTED' });
  }
  expect(bed.takeovers).toBe(3);
});

it('leaves the other WhatsApp Web alone until a person connects again', async () => {
  const { tell } = await bringUp('A');
  bed.probe = async () => 'CONFLICT';
  tell({ type: 'connection', state: 'CONFLICT' });
  await until('it is told', () => bed.rows.get('A')?.actionCode === 'taken_over');
  await pause(50);
  expect(bed.takeovers).toBe(0);
  bed.supervisor.start(bed.rows.get('A')!);
  await until('it takes over', () => bed.takeovers === 1);
});

it('goes on saying what a person has to do while the line comes and goes', async () => {
  const { tell } = await bringUp('A');
  bed.probe = async () => 'OPENING';
  tell({ type: 'connection', state: 'CONFLICT' });
  tell({ type: 'connection', state: 'OPENING' });
  await pause(50);
  expect(bed.rows.get('A')).toMatchObject({ state: 'action_required', actionCode: 'taken_over' });
  expect(() => bed.supervisor.client('A')).toThrow(`(it is action_required: ${actionTable.taken_over})`);
  bed.probe = async () => 'CONNECTED';
  tell({ type: 'connection', state: 'CONNECTED' });
  await until('it is ready', () => bed.rows.get('A')?.state === 'ready');
});

it('says again that a number may not write to new people once the line is back', async () => {
  await bed.restart({ inspectEveryMs: 3_600_000 });
  bed.timelock = { isActive: true, endsAt: null };
  const { tell } = await bringUp('A');
  const isTold = () => bed.rows.get('A')?.actionCode === 'time_lock';
  await until('it is told', isTold);
  bed.probe = async () => 'OPENING';
  tell({ type: 'connection', state: 'OPENING' });
  await until('the line is down', () => bed.rows.get('A')?.state === 'disconnected');
  bed.probe = async () => 'CONNECTED';
  tell({ type: 'connection', state: 'CONNECTED' });
  await until('it is told again', isTold);
});

it('says that a number may not write to new people, while it works on, and when that is over', async () => {
  await bringUp('A');
  bed.timelock = { isActive: true, endsAt: Date.UTC(2026, 11, 24) };
  await until('it is told', () => bed.rows.get('A')?.actionCode === 'time_lock');
  expect(bed.rows.get('A')).toMatchObject({
    state: 'ready',
    reason: expect.stringContaining('(until 2026-12-24T00:00'),
  });
  expect(bed.supervisor.client('A')).toBe(bed.puppets[0]!.client);
  bed.timelock = { isActive: false, endsAt: null };
  await until('it is over', () => bed.rows.get('A')?.actionCode === null);
  expect(bed.rows.get('A')).toMatchObject({ state: 'ready', reason: null });
});
