import { describe, expect, it } from 'vitest';
import { createCalendar } from '../../../src/core/campaign/calendar.ts';
import { breakAfter, breakMs, gapMs } from '../../../src/core/campaign/pacing.ts';
import { type ForecastInput, forecast } from '../../../src/core/campaign/simulate.ts';
import { defaultPacing } from '../../../src/model/campaign.ts';
import { cpuMsOf } from '../../support/clock.ts';

const dar = 'Africa/Dar_es_Salaam';
const quietHours = { from: '20:00', to: '09:00' };
const monday = Date.parse('2026-11-23T06:00:00Z'); // 9:00 in Dar es Salaam
const free = { ...defaultPacing, dailyCap: 1_000_000, newChatCap: 1_000_000, warmUp: false };

const look = (patch: Partial<ForecastInput> = {}) =>
  forecast({
    lanes: [{ zone: dar, count: 100 }],
    pacing: free,
    window: null,
    quietHours,
    zone: dar,
    now: monday,
    nextSendAt: null,
    pairedAt: null,
    sentToday: 0,
    newChatsToday: 0,
    maxDays: 60,
    ...patch,
  });

const total = (days: { count: number }[]) => days.reduce((sum, day) => sum + day.count, 0);

describe('a forecast', () => {
  it('serves everybody on one day when there is room', () => {
    const { finishesAt, days, warnings } = look();
    expect(days).toEqual([{ date: '2026-11-23', count: 100 }]);
    expect(warnings).toEqual([]);
    expect((finishesAt! - monday) / 60_000).toBeGreaterThan(60);
    expect((finishesAt! - monday) / 60_000).toBeLessThan(110);
  });

  it('agrees with a run that draws every gap and break', () => {
    let state = 5;
    const random = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 4_294_967_296;
    const calendar = createCalendar({ window: null, quietHours, zone: dar });
    let moment = monday;
    let lastSendAt = 0;
    let opening = calendar.next(moment)!;
    let untilBreak = breakAfter(free, random);
    for (let sent = 0; sent < 5_000; sent += 1) {
      if (moment >= opening.closesAt) opening = calendar.next(moment)!;
      moment = Math.max(moment, opening.opensAt);
      lastSendAt = moment;
      moment += gapMs(free, random);
      if ((untilBreak -= 1) > 0) continue;
      moment += breakMs(free, random);
      untilBreak = breakAfter(free, random);
    }
    const { finishesAt } = look({ lanes: [{ zone: dar, count: 5_000 }] });
    expect((finishesAt! - monday) / (lastSendAt - monday)).toBeCloseTo(1, 1);
  });

  it('keeps the day cap, and what today has had already', () => {
    const pacing = { ...free, dailyCap: 30 };
    expect(look({ pacing, sentToday: 10 }).days).toEqual([
      { date: '2026-11-23', count: 20 },
      { date: '2026-11-24', count: 30 },
      { date: '2026-11-25', count: 30 },
      { date: '2026-11-26', count: 20 },
    ]);
  });

  it('keeps the cap of new chats for those who are new', () => {
    const pacing = { ...free, newChatCap: 10 };
    expect(look({ pacing, lanes: [{ zone: dar, count: 30 }] }).days.map((day) => day.count)).toEqual([10, 10, 10]);
    expect(look({ pacing, newChatShare: 0.5, newChatsToday: 5 }).days[0]?.count).toBe(10);
    expect(look({ pacing, newChatShare: 0 }).days).toHaveLength(1);
  });

  it('warms a new number up', () => {
    const { days } = look({ pacing: { ...free, warmUp: true }, pairedAt: monday });
    expect(days.map((day) => day.count)).toEqual([20, 27, 36, 17]);
  });

  it('waits for windows and for the start', () => {
    const window = { days: [6], from: '10:00', to: '11:00', zone: dar };
    const { days } = look({ window, lanes: [{ zone: dar, count: 120 }] });
    expect(days.filter((day) => day.count > 0).map((day) => day.date)).toEqual(['2026-11-28', '2026-12-05']);
    expect(total(days)).toBe(120);
    expect(look({ nextSendAt: Date.parse('2026-12-01T12:00:00Z') }).days[0]?.date).toBe('2026-12-01');
  });

  it('serves each zone in its own hours', () => {
    const lanes = [
      { zone: dar, count: 10 },
      { zone: 'America/New_York+America/Los_Angeles', count: 10 },
    ];
    // 9:00 in Los Angeles is 20:00 in Dar es Salaam.
    expect(new Date(look({ lanes }).finishesAt!).getUTCHours()).toBe(17);
  });

  it('says what an end time would cut off', () => {
    const endAt = monday + 600_000;
    const { finishesAt, warnings, days } = look({ endAt });
    expect(finishesAt).toBe(endAt);
    expect(warnings[0]).toMatch(/^\d+ recipients would not be reached/);
    expect(Number(warnings[0]?.split(' ')[0]) + total(days)).toBe(100);
  });

  it('says who would wait for ever', () => {
    const window = { days: [], from: '21:00', to: '23:00', zone: dar };
    const { finishesAt, warnings } = look({ window });
    expect(finishesAt).toBeNull();
    expect(warnings[0]).toMatch(/never opens.*100 recipients/);
  });

  it('extrapolates a million recipients in milliseconds', () => {
    const million = () => look({ pacing: defaultPacing, lanes: [{ zone: dar, count: 1_000_000 }] });
    expect(cpuMsOf(million)).toBeLessThan(500);
    const { finishesAt, days } = million();
    expect(days).toHaveLength(60);
    expect((finishesAt! - monday) / 86_400_000 / (1_000_000 / 60)).toBeCloseTo(1, 2);
  });

  it('of nobody is over at once', () => {
    expect(look({ lanes: [] })).toEqual({ finishesAt: monday, days: [], warnings: [] });
  });
});
