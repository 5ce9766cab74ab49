import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { tryBrowser } from '../../../src/whatsapp/chromium/trial.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-trial-test-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function trialOf(script: string): Promise<string> {
  const path = join(dir, 'browser');
  await writeFile(path, script, { mode: 0o755 });
  return tryBrowser({ browser: { path, kind: 'shell' }, sandboxPossible: true, extraArgs: [] });
}

it('says that the system refuses to start the program, as where its loader is missing', async () => {
  await expect(trialOf('#!/no/such/loader\n')).rejects.toThrow(/^spawn .*ENOENT$/);
});

it('says what a loader says of a library that is missing', async () => {
  const words = 'browser: error while loading shared libraries: libnss3.so: cannot open shared object file';
  await expect(trialOf(`#!/bin/sh\necho "${words}" >&2\nexit 127\n`)).rejects.toThrow(words);
});

it('says in the browser’s own words why it ends, without the advice to try it out', async () => {
  await expect(trialOf('#!/bin/sh\n[ "$1" = --version ]\n')).rejects.toThrow(/^(?!The browser does not start)/);
});
