import { expect, it } from 'vitest';
import { ClientError } from '../../../src/whatsapp/client.ts';
import { until } from '../../support/clock.ts';
import { account, asleep, pause, useSupervisor } from '../../support/supervisor.ts';

const bed = useSupervisor();
const { born, bringUp, start } = bed;

it('closes and starts again what has ended, and says why', async () => {
  start('A');
  await born(1);
  bed.puppets[0]!.tell({ type: 'ready', account });
  await until('it may send', () => bed.ready.length === 1);
  bed.puppets[0]!.tell({ type: 'closed', reason: 'The browser has ended' });
  await born(2);
  expect(bed.puppets[0]!.stopped).toBe(true);
  expect(bed.states).toContain('A disconnected: The browser has ended');
});

it('says failed, with the reason, when the browser does not start, and tries again', async () => {
  bed.startFails = new Error('Failed to launch the browser process');
  start('A');
  await born(3);
  expect(
    bed.states.filter((state) => state === 'A failed: Failed to launch the browser process').length,
  ).toBeGreaterThan(0);
});

it('forgets the profile when the phone unlinks the device, and waits for a person', async () => {
  start('A');
  await born(1);
  bed.puppets[0]!.tell({ type: 'ready', account });
  bed.puppets[0]!.tell({ type: 'logged_out' });
  await until('it is logged out', () => bed.states.at(-1)!.startsWith('A logged_out'));
  expect(bed.removed).toEqual(['/nowhere/A']);
  await pause(20);
  expect(bed.puppets).toHaveLength(1);
  start('A');
  await born(2);
});

it('wipes a fresh link that does not get ready twice, but never one that was ready once', async () => {
  start('A');
  for (let life = 1; life <= 2; life += 1) {
    await born(life);
    bed.puppets[life - 1]!.tell({ type: 'authenticating' });
    bed.clock.advance(91_000);
  }
  await born(3);
  expect(bed.removed).toEqual(['/nowhere/A']);

  bed.removed.length = 0;
  start('B', { linkedAt: 1, lastReadyAt: 1 });
  for (let life = 4; life <= 7; life += 1) {
    await born(life);
    bed.puppets.at(-1)!.tell({ type: 'authenticating' });
    bed.clock.advance(91_000);
  }
  expect(bed.removed).not.toContain('/nowhere/B');
});

it('goes on with the pauses where a restart of the gateway has interrupted them', async () => {
  const row = { ...asleep, id: 'A', state: 'failed' as const, attempts: 6, nextAttemptAt: bed.clock.now() + 200_000 };
  bed.rows.set('A', row);
  const slept: number[] = [];
  bed.clock.sleep = async (ms) => void slept.push(ms);
  await bed.supervisor.resume(row);
  await born(1);
  expect(slept[0]).toBeGreaterThan(100_000);
  bed.puppets[0]!.tell({ type: 'closed', reason: 'gone' });
  await born(2);
  expect(bed.rows.get('A')).toMatchObject({ attempts: 7 });
  expect(slept.at(-1)).toBeGreaterThanOrEqual(240_000);
});

it('forgets old failures after five steady minutes, not before', async () => {
  const first = await bringUp('A');
  first.tell({ type: 'closed', reason: 'gone' });
  await born(2);
  bed.puppets[1]!.tell({ type: 'ready', account });
  await until('it may send', () => bed.ready.length === 2);
  await pause(30);
  expect(bed.rows.get('A')!.attempts).toBe(1);
  bed.clock.advance(301_000);
  await until('they are forgotten', () => bed.rows.get('A')!.attempts === 0);
});

it('forgets them as soon while the clock is set back', async () => {
  const first = await bringUp('A');
  first.tell({ type: 'closed', reason: 'gone' });
  await born(2);
  bed.puppets[1]!.tell({ type: 'ready', account });
  await until('it may send', () => bed.ready.length === 2);
  bed.clock.advance(-3 * 3_600_000);
  await pause(30);
  bed.clock.advance(200_000);
  await pause(30);
  expect(bed.rows.get('A')!.attempts).toBe(1);
  bed.clock.advance(101_000);
  await until('they are forgotten', () => bed.rows.get('A')!.attempts === 0);
});

it('starts at once when a person asks for it during a pause', async () => {
  bed.startFails = new Error('no');
  bed.clock.sleep = (ms, signal) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, ms);
      signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
    });
  start('A');
  await until('it has failed', () => bed.states.includes('A failed: no'));
  bed.startFails = null;
  bed.supervisor.start(bed.rows.get('A')!);
  await born(2);
  expect(bed.rows.get('A')).toMatchObject({ state: 'starting', attempts: 0, nextAttemptAt: null });
});

it('says with a code what a person has to do when the start fails for a known reason', async () => {
  bed.startFails = new ClientError('profile_in_use', 'The browser profile is in use by process 7');
  start('A');
  await until('it is told', () => bed.rows.get('A')?.actionCode === 'profile_in_use');
  expect(bed.states).toContain('A action_required: The browser profile is in use by process 7');
});

it('asks for a new scan in words when the page has lost the login and there is no copy of the profile', async () => {
  start('A', { linkedAt: 1, lastReadyAt: 1 });
  await born(1);
  bed.puppets[0]!.tell({ type: 'qr', code: 'x' });
  await born(2);
  expect(bed.doubted).toEqual(['A']);
  bed.puppets[1]!.tell({ type: 'qr', code: 'y' });
  await until('it asks', () => bed.rows.get('A')?.state === 'qr');
  expect(bed.rows.get('A')).toMatchObject({ linkedAt: null, actionCode: 'scan_again' });
  expect(bed.supervisor.qr('A')?.code).toBe('y');
});

it('puts the copy of a clean end back when the page has lost the login', async () => {
  await bringUp('A');
  await bed.supervisor.stop('A');
  expect(bed.copies).toBe(1);
  start('A', { linkedAt: 1, lastReadyAt: 1 });
  await born(2);
  bed.puppets[1]!.tell({ type: 'qr', code: 'x' });
  await born(3);
  expect(bed.copies).toBe(0);
  expect(bed.rows.get('A')!.linkedAt).toBe(1);
});

it('suspects the profile after three browsers that did not start, unless none starts at all', async () => {
  bed.copies = 1;
  bed.works = false;
  bed.startFails = new ClientError('browser_failed', 'crashed');
  start('A', { linkedAt: 1, lastReadyAt: 1 });
  await born(5);
  expect(bed.copies).toBe(1);
  bed.works = true;
  await until('the copy is used', () => bed.copies < 1);
});
