import { expect, it } from 'vitest';
import { backoffMs } from '../../../src/core/supervisor/backoff.ts';
import { connectionMeanings } from '../../../src/core/supervisor/connection.ts';
import { type Happening, nextState } from '../../../src/core/supervisor/machine.ts';
import { remedyAfter } from '../../../src/core/supervisor/remedy.ts';
import { type InstanceState, instanceStates } from '../../../src/model/instance.ts';

it.each<[InstanceState, Happening, InstanceState | null]>([
  ['created', 'launched', 'starting'],
  ['starting', 'offline', null],
  ['authenticating', 'online', null],
  ['pairing', 'qr_shown', 'pairing'],
  ['authenticating', 'qr_shown', 'qr'],
  ['ready', 'authenticating', 'ready'],
  ['ready', 'ended', 'disconnected'],
  ['starting', 'ended', 'failed'],
  ['disconnected', 'online', 'ready'],
  ['action_required', 'offline', null],
  ['action_required', 'online', 'ready'],
  ['stopped', 'ready', null],
])('from %s, %s leads to %s', (state, happening, next) => {
  expect(nextState(state, happening)).toBe(next);
});

it('starts from every state without a browser, and can end from every one', () => {
  for (const state of ['created', 'stopped', 'failed', 'logged_out', 'disconnected', 'action_required'] as const)
    expect(nextState(state, 'launched')).toBe('starting');
  for (const state of instanceStates) {
    expect(nextState(state, 'ended')).toMatch(/^(failed|disconnected)$/);
    expect(nextState(state, 'unlinked')).toBe('logged_out');
  }
});

it('doubles the pause from 5 s to 5 min, give or take a fifth', () => {
  const pause = (failures: number, random: number) => backoffMs({ failures, firstMs: 5_000, random: () => random });
  const pauses = [1, 2, 3, 4, 5, 6, 7, 8, 60].map((failures) => pause(failures, 0.5) / 1000);
  expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  expect([pause(1, 0), pause(1, 0.9999)]).toEqual([4_000, 6_000]);
  expect(pause(60, 1)).toBe(300_000);
});

it('knows every state by which WhatsApp Web asks for a person', () => {
  const asked = Object.entries(connectionMeanings).flatMap(([state, { code }]) => (code ? [[state, code]] : []));
  expect(Object.fromEntries(asked)).toEqual({
    CONFLICT: 'taken_over',
    TOS_BLOCK: 'tos_block',
    SMB_TOS_BLOCK: 'tos_block',
    PROXYBLOCK: 'proxy_blocked',
    DEPRECATED_VERSION: 'outdated_version',
  });
});

it('never wipes a profile that is linked', () => {
  const past = { isLinked: true, stuckLogins: 99, failedLaunches: 0 };
  expect(remedyAfter({ kind: 'closed', reason: '', stuckIn: 'authenticating' }, past)).toBe('wait');
  expect(remedyAfter({ kind: 'closed', reason: '', stuckIn: 'authenticating' }, { ...past, isLinked: false })).toBe(
    'wipe',
  );
});
