import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { killAll, processTree } from '../../../src/whatsapp/chromium/processes.ts';

let parent: ChildProcess;

afterEach(() => parent.kill('SIGKILL'));

/** Starts a process that starts another; resolves to the pids of both. */
async function family(): Promise<[number, number]> {
  parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(parent.stdout!, 'data')) as [Buffer];
  return [parent.pid!, Number(line.toString())];
}

it('names a process with its descendants, and kills them', async () => {
  const pids = await family();
  const members = processTree(pids[0]);
  expect(members.map(({ pid }) => pid)).toEqual(pids);
  const exit = once(parent, 'exit');
  await killAll(members, 10_000);
  expect(await exit).toEqual([null, 'SIGKILL']);
});

it('names them at once while the program has much else to do', async () => {
  const [pid] = await family();
  let turns = 0;
  let isOver = false;
  const busy = () => {
    turns += 1;
    for (const until = Date.now() + 5; Date.now() < until;);
    if (!isOver) setImmediate(busy);
  };
  setImmediate(busy);
  await processTree(pid);
  isOver = true;
  expect(turns).toBeLessThan(5);
});
