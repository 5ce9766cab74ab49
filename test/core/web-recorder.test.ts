import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createWebRecorder } from '../../src/core/web-recorder.ts';
import type { SelfTest } from '../../src/model/features.ts';
import type { Instance } from '../../src/model/instance.ts';
import { accountCaller } from '../../src/model/token.ts';
import { buildInstance } from '../dialects/fake-core.ts';
import { createScriptedClient } from '../support/client.ts';

const now = 1_800_000_000_000;
const minuteMs = 60_000;
const version = '2.3000.1';
const goodTest: SelfTest = { webVersion: version, missing: {}, shims: [], tookMs: 3 };
const good: Partial<Instance> = {
  state: 'ready',
  stateSince: now - 10 * minuteMs,
  webVersion: version,
  selfTest: goodTest,
};

function recorderOf(patch: Partial<Instance>, known: string[] = []) {
  const instance = buildInstance({ ...good, ...patch });
  const saved: string[] = [];
  const recorder = createWebRecorder({
    instances: () => ({ get: async () => instance }),
    wanted: async () => [instance],
    anyClient: () => createScriptedClient(() => undefined),
    versions: {
      has: async (name) => known.includes(name),
      save: async (name) => {
        saved.push(name);
        return !known.includes(name);
      },
    },
    clock: { now: () => now },
    log: pino({ level: 'silent' }),
  });
  return { recorder, saved };
}

it('keeps the page of an instance that has been ready for ten minutes with nothing missing', async () => {
  const { recorder, saved } = recorderOf({});
  await recorder.tick();
  expect(saved).toEqual([version]);
});

it('keeps the page of one whose stanzas pass elsewhere: that is of the account', async () => {
  const { recorder, saved } = recorderOf({ selfTest: { ...goodTest, missing: { stanzas: ['window.wapbridgeTap'] } } });
  await recorder.tick();
  expect(saved).toEqual([version]);
});

it.each<[string, Partial<Instance>]>([
  ['is not ready', { state: 'disconnected' }],
  ['has been ready for less', { stateSince: now - 9 * minuteMs }],
  ['was not tested', { selfTest: null }],
  ['was tested on another page', { selfTest: { ...goodTest, webVersion: '2.3000.0' } }],
  ['lacks a feature', { selfTest: { ...goodTest, missing: { check_numbers: ['WAWebQueryExistsJob'] } } }],
])('keeps no page of one that %s', async (_, patch) => {
  const { recorder, saved } = recorderOf(patch);
  await recorder.tick();
  expect(saved).toEqual([]);
});

it('asks no page for what is there already', async () => {
  const { recorder, saved } = recorderOf({}, [version]);
  await recorder.tick();
  expect(saved).toEqual([]);
});

it('keeps any page that a person wants kept', async () => {
  const { recorder, saved } = recorderOf({ state: 'qr', selfTest: null });
  const answer = await recorder.record(accountCaller('CUST-0143'), 'INST-01-0000142');
  expect([answer, saved]).toEqual([{ version, isNew: true }, [version]]);
});
