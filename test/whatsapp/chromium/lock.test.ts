import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processStart, takeLock, thisProcess, type LockOwner } from '../../../src/whatsapp/chromium/lock.ts';
import { lockDataDir } from '../../../src/whatsapp/chromium/profile.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-chromium-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

describe('lockDataDir', () => {
  it('refuses a second gateway with a sentence that names the process, and lets it in after a release', async () => {
    const lock = await lockDataDir(dir);
    await expect(lockDataDir(dir)).rejects.toThrow(
      `Another gateway (process ${process.pid} on ${hostname()}) uses the data folder ${dir}`,
    );
    await lock.release();
    await (await lockDataDir(dir)).release();
  });

  it('makes the folder and those above it', async () => {
    await (await lockDataDir(join(dir, 'a', 'b'))).release();
    expect(existsSync(join(dir, 'a', 'b'))).toBe(true);
  });

  it.runIf(process.platform === 'linux')(
    'says that the folder cannot be made, also where trying again has no end',
    async () => {
      await writeFile(join(dir, 'file'), '');
      for (const place of [join(dir, 'file', 'data'), '/proc/data'])
        await expect(lockDataDir(place)).rejects.toThrow(`The data folder ${place} cannot be made: `);
    },
  );

  it('takes over from a process that was killed', async () => {
    const holder = await startHolder();
    await expect(lockDataDir(dir)).rejects.toThrow(`process ${holder.pid}`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await (await lockDataDir(dir)).release();
  });

  it('takes over when the pid belongs to another process by now', async () => {
    await writeOwner({ ...thisProcess(), processStart: '1' });
    const taking = lockDataDir(dir);
    if (processStart(process.pid) === null) await expect(taking).rejects.toThrow('Another gateway');
    else await (await taking).release();
  });

  it('lets exactly one of many processes take over a dead holder’s lock', async () => {
    await writeOwner({ ...thisProcess(), pid: deadPid });
    const attempts = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) => {
        const owner = { ...thisProcess(), pid: process.pid };
        return takeLock(join(dir, 'gateway.lock'), { owner, refusal: () => `refused ${index}` });
      }),
    );
    const won = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(won).toHaveLength(1);
    await won[0]?.value.release();
  });

  it('waits for a holder in another container until it is sure that it is gone', async () => {
    const file = await writeOwner({ ...thisProcess(), host: 'another-host', pid: 1 });
    const options = { heartbeatMs: 500, refusal: () => 'held elsewhere' };
    const beating = setInterval(() => void utimes(file, new Date(), new Date()), 20);
    await expect(takeLock(join(dir, 'gateway.lock'), options)).rejects.toThrow('held elsewhere');
    clearInterval(beating);
    await (await takeLock(join(dir, 'gateway.lock'), options)).release();
  });

  it('does not wait for ever for a dead one whose last sign of life lies ahead, because the clock was set back', async () => {
    const file = await writeOwner({ ...thisProcess(), host: 'another-host', pid: 1 });
    const ahead = new Date(Date.now() + 3 * 3_600_000);
    await utimes(file, ahead, ahead);
    await (await takeLock(join(dir, 'gateway.lock'), { heartbeatMs: 50, refusal: () => 'held elsewhere' })).release();
  });

  it('waits for one that is just being written', async () => {
    const file = join(dir, 'gateway.lock.1');
    await writeFile(file, '');
    setTimeout(() => void writeFile(file, JSON.stringify(thisProcess())), 100);
    await expect(lockDataDir(dir)).rejects.toThrow('Another gateway');
  });

  it('leaves no pile of files behind', async () => {
    for (let round = 0; round < 5; round += 1) await (await lockDataDir(dir)).release();
    expect((await readdir(dir)).length).toBeLessThanOrEqual(2);
  });

  /** Another Node process that holds the lock of `dir`. */
  async function startHolder(): Promise<ChildProcess & { pid: number }> {
    const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    await once(holder, 'spawn');
    const pid = holder.pid ?? 0;
    await writeOwner({ ...thisProcess(), pid, processStart: processStart(pid) });
    return holder as ChildProcess & { pid: number };
  }

  async function writeOwner(owner: LockOwner): Promise<string> {
    const file = join(dir, 'gateway.lock.1');
    await writeFile(file, JSON.stringify(owner));
    return file;
  }
});

/** Larger than any pid that Linux or macOS gives out. */
const deadPid = 2 ** 22 + 1;
