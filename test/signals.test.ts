import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { until } from './support/clock.ts';

const signals = join(import.meta.dirname, '..', 'dist', 'src', 'signals.js');
let child: ChildProcess;

afterEach(() => child.kill('SIGKILL'));

/** Starts a program whose end is this expression; its log lines come as text. */
async function start(close: string): Promise<{ output(): string }> {
  const program = `
    import { endOnSignals } from ${JSON.stringify(signals)};
    const log = Object.fromEntries(['info', 'warn', 'error'].map((level) => [level, (_, text) => console.log(text)]));
    endOnSignals({ log, close: () => ${close} });
    setInterval(() => undefined, 1_000);
    console.log('it runs');`;
  child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await until('it runs', () => output.includes('it runs'));
  return { output: () => output };
}

it('ends in good order at a signal', async () => {
  await start('Promise.resolve()');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('ends at once at a second signal, however long the end takes', async () => {
  const { output } = await start('new Promise(() => undefined)');
  child.kill('SIGTERM');
  await until('it ends', () => output().includes('ending'));
  // Signals that come together count as one.
  await sleep(1_100);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([1, null]);
  expect(output()).toContain('ending at once');
});
