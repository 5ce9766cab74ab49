import { describe, expect, it } from 'vitest';
import { checkWindow, createCalendar } from '../../../src/core/campaign/calendar.ts';
import { createTimeZone, isTimeZone } from '../../../src/core/campaign/local-time.ts';
import type { CampaignWindow } from '../../../src/model/campaign.ts';
import { cpuMsOf } from '../../support/clock.ts';

const at = (text: string) => Date.parse(text);
const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString().slice(0, 16));
const quietHours = { from: '20:00', to: '09:00' };
const dar = 'Africa/Dar_es_Salaam'; // UTC+3, no summer time

function opening(calendar: ReturnType<typeof createCalendar>, moment: string): (string | null)[] | null {
  const found = calendar.next(at(moment));
  return found && [iso(found.opensAt), iso(found.closesAt)];
}

const inWindow = (window: CampaignWindow) => createCalendar({ window, quietHours: null, zone: dar });

describe('quiet hours', () => {
  const calendar = createCalendar({ window: null, quietHours, zone: dar });

  it('let through between 9 and 20 on the recipient’s clock', () => {
    expect(opening(calendar, '2026-11-21T05:59Z')).toEqual(['2026-11-21T06:00', '2026-11-21T17:00']);
    expect(opening(calendar, '2026-11-21T06:00Z')).toEqual(['2026-11-21T06:00', '2026-11-21T17:00']);
    expect(opening(calendar, '2026-11-21T16:59Z')).toEqual(['2026-11-21T06:00', '2026-11-21T17:00']);
    expect(opening(calendar, '2026-11-21T17:00Z')).toEqual(['2026-11-22T06:00', '2026-11-22T17:00']);
  });

  it('hold in all zones of a country whose numbers do not tell theirs', () => {
    const zone = 'America/New_York+America/Los_Angeles';
    const states = createCalendar({ window: null, quietHours, zone });
    // 9:00 in Los Angeles to 20:00 in New York, in winter.
    expect(opening(states, '2026-01-10T00:00Z')).toEqual(['2026-01-09T17:00', '2026-01-10T01:00']);
    expect(opening(states, '2026-01-10T02:00Z')).toEqual(['2026-01-10T17:00', '2026-01-11T01:00']);
  });

  it('may lie within a day', () => {
    const siesta = createCalendar({ window: null, quietHours: { from: '12:00', to: '14:00' }, zone: dar });
    expect(opening(siesta, '2026-11-21T09:30Z')).toEqual(['2026-11-21T11:00', '2026-11-22T09:00']);
  });

  it('can be none at all: then it is always open', () => {
    const open = createCalendar({ window: null, quietHours: null, zone: dar }).next(at('2026-11-21T03:00Z'))!;
    expect(open.opensAt).toBeLessThan(0);
    expect(open.closesAt).toBeGreaterThan(at('9999-01-01T00:00Z'));
  });
});

describe('a window of hours and days', () => {
  it('opens on its days in its own zone', () => {
    const window = { days: [1, 2, 3, 4, 5], from: '09:00', to: '17:30', zone: dar };
    // 2026-11-21 is a Saturday.
    expect(opening(inWindow(window), '2026-11-21T08:00Z')).toEqual(['2026-11-23T06:00', '2026-11-23T14:30']);
  });

  it('over midnight belongs to the day it begins on', () => {
    const calendar = inWindow({ days: [5], from: '22:00', to: '02:00', zone: 'UTC' });
    expect(opening(calendar, '2026-11-20T21:00Z')).toEqual(['2026-11-20T22:00', '2026-11-21T02:00']);
    expect(opening(calendar, '2026-11-21T01:00Z')?.[1]).toBe('2026-11-21T02:00');
    expect(opening(calendar, '2026-11-21T02:00Z')).toEqual(['2026-11-27T22:00', '2026-11-28T02:00']);
  });

  it('of all hours never closes', () => {
    const calendar = inWindow({ days: [], from: '00:00', to: '24:00', zone: dar });
    const found = calendar.next(at('2026-11-21T10:00Z'))!;
    expect(calendar.next(found.closesAt)!.opensAt).toBeLessThanOrEqual(found.closesAt);
  });

  it('and quiet hours must both allow it', () => {
    const window = { days: [], from: '18:00', to: '23:00', zone: dar };
    const both = createCalendar({ window, quietHours, zone: dar });
    expect(opening(both, '2026-11-21T00:00Z')).toEqual(['2026-11-21T15:00', '2026-11-21T17:00']);
  });

  it('that lies in the quiet hours never opens, and says so soon', () => {
    const window = { days: [], from: '21:00', to: '23:00', zone: dar };
    const look = () =>
      expect(createCalendar({ window, quietHours, zone: dar }).next(at('2026-11-21T00:00Z'))).toBeNull();
    expect(cpuMsOf(look)).toBeLessThan(2_000);
  });
});

describe('summer time', () => {
  const berlin = { days: [], zone: 'Europe/Berlin' };

  it('moves the opening with the clocks', () => {
    const calendar = createCalendar({ window: null, quietHours, zone: 'Europe/Berlin' });
    // Clocks go forward on 2026-03-29 at 02:00 and back on 2026-10-25 at 03:00.
    expect(opening(calendar, '2026-03-28T20:00Z')).toEqual(['2026-03-29T07:00', '2026-03-29T18:00']);
    expect(opening(calendar, '2026-10-24T20:00Z')).toEqual(['2026-10-25T08:00', '2026-10-25T19:00']);
  });

  it('opens when the clocks jump over the time of opening', () => {
    const calendar = inWindow({ ...berlin, from: '02:30', to: '04:00' });
    expect(opening(calendar, '2026-03-29T00:00Z')).toEqual(['2026-03-29T01:00', '2026-03-29T02:00']);
  });

  it('skips a window that the clocks jump over as a whole', () => {
    const calendar = inWindow({ ...berlin, from: '02:15', to: '02:45' });
    expect(opening(calendar, '2026-03-29T00:00Z')).toEqual(['2026-03-30T00:15', '2026-03-30T00:45']);
  });

  it('takes the first of two equal hours', () => {
    const calendar = inWindow({ ...berlin, from: '02:30', to: '04:00' });
    expect(opening(calendar, '2026-10-25T00:00Z')).toEqual(['2026-10-25T00:30', '2026-10-25T03:00']);
  });
});

describe('a window by cron', () => {
  it('is open in every minute that the expression matches', () => {
    const calendar = inWindow({ cron: '* 9-16 * * 1-5', zone: dar });
    expect(opening(calendar, '2026-11-21T08:00Z')).toEqual(['2026-11-23T06:00', '2026-11-23T14:00']);
  });

  it.each([
    ['30-44 10,12 * * *', '2026-11-21T00:00Z', ['2026-11-21T10:30', '2026-11-21T10:45']],
    ['30-44 10,12 * * *', '2026-11-21T10:45Z', ['2026-11-21T12:30', '2026-11-21T12:45']],
    ['*/30 8 * * sun', '2026-11-21T00:00Z', ['2026-11-22T08:00', '2026-11-22T08:01']],
    ['* * 1 jan *', '2026-11-21T00:00Z', ['2027-01-01T00:00', '2027-01-02T00:00']],
    ['* 12 29 2 *', '2026-11-21T00:00Z', ['2028-02-29T12:00', '2028-02-29T13:00']],
    ['@hourly', '2026-11-21T00:00Z', ['2026-11-21T00:00', '2026-11-21T00:01']],
  ])('%s after %s', (cron, moment, expected) => {
    expect(opening(inWindow({ cron, zone: 'UTC' }), moment)).toEqual(expected);
  });

  it.each([
    ['* * *', 'fields'],
    ['0 * 9 * * *', 'five fields'],
    ['* 25 * * *', 'hour'],
    ['* 9 31 2 *', 'impossible'],
    ['* 9 L * *', 'cannot hold L'],
    ['hello', 'illegal|fields|invalid'],
  ])('refuses %s', (cron, reason) => {
    expect(() => checkWindow({ cron, zone: 'UTC' })).toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(new RegExp(reason)) }),
    );
  });
});

describe('a bad window', () => {
  it.each([
    [{ days: [], from: '09:00', to: '09:00', zone: 'UTC' }, 'never opens'],
    [{ days: [], from: '9 am', to: '17:00', zone: 'UTC' }, 'window.from must be a time'],
    [{ days: [], from: '09:00', to: '24:30', zone: 'UTC' }, 'window.to must be a time'],
    [{ days: [7], from: '09:00', to: '17:00', zone: 'UTC' }, 'never opens'],
    [{ days: [], from: '09:00', to: '17:00', zone: 'Mars/Olympus' }, 'Mars/Olympus is not a time zone'],
  ])('%j is refused', (window, reason) => {
    expect(() => checkWindow(window)).toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringContaining(reason) }),
    );
  });
});

describe('local time', () => {
  it('goes to the wall clock and back in every zone, every six hours of a year', () => {
    for (const name of ['Africa/Dar_es_Salaam', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC']) {
      const zone = createTimeZone(name);
      for (let moment = at('2026-01-01T00:00Z'); moment < at('2027-01-01T00:00Z'); moment += 6 * 3_600_000) {
        const local = zone.local(moment);
        const back = zone.instant(local, local.minute);
        // An hour that exists twice goes back to its first time.
        expect([0, 1_800_000, 3_600_000]).toContain(moment - back);
      }
    }
  });

  it('knows zones by name only', () => {
    expect(['Africa/Dar_es_Salaam', 'UTC', '', 'EST5EDT4', 'Mars/Olympus'].map(isTimeZone)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
