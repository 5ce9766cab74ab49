import { describe, expect, it } from 'vitest';
import { breakAfter, breakMs, dayCap, gapMs, meanStepMs, pacingWarnings } from '../../../src/core/campaign/pacing.ts';
import { defaultPacing } from '../../../src/model/campaign.ts';

/** Numbers in [0, 1) that are the same in every run. */
function seeded(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

const draw = (count: number, one: () => number) => Array.from({ length: count }, one).toSorted((a, b) => a - b);
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('the gaps between two sends', () => {
  const random = seeded();
  const gaps = draw(20_000, () => gapMs(defaultPacing, random));

  it('have the median they should, and stay between their bounds', () => {
    expect(gaps[10_000]! / defaultPacing.medianMs).toBeCloseTo(1, 1);
    expect(gaps[0]).toBe(defaultPacing.minMs);
    expect(gaps.at(-1)).toBeLessThanOrEqual(defaultPacing.maxMs);
  });

  it('are spread like people’s pauses: no two alike, more short ones than long ones', () => {
    expect(new Set(gaps).size).toBeGreaterThan(12_000);
    expect(mean(gaps)).toBeGreaterThan(gaps[10_000]! * 1.1);
    expect(gaps[15_000]! / gaps[5_000]!).toBeGreaterThan(2);
  });

  it('have the mean that forecasts count with', () => {
    const withoutBreaks = { ...defaultPacing, breakEveryMin: 0, breakEveryMax: 0 };
    expect(meanStepMs(withoutBreaks) / mean(gaps)).toBeCloseTo(1, 1);
  });

  it.each([0, 1 - 2 ** -53])('are bounded for every random number, such as %d', (value) => {
    expect(gapMs(defaultPacing, () => value)).toBeGreaterThanOrEqual(8_000);
    expect(gapMs(defaultPacing, () => value)).toBeLessThanOrEqual(150_000);
  });

  it('are all the same where the bounds are', () => {
    const even = { ...defaultPacing, minMs: 100, medianMs: 100, maxMs: 100, breakEveryMin: 0, breakEveryMax: 0 };
    expect(gapMs(even, random)).toBe(100);
    expect(meanStepMs(even)).toBe(100);
  });
});

describe('long breaks', () => {
  const random = seeded();

  it('come after 15 to 30 sends and last 3 to 10 minutes', () => {
    const after = draw(5_000, () => breakAfter(defaultPacing, random));
    expect([after[0], after.at(-1)]).toEqual([15, 30]);
    const lengths = draw(5_000, () => breakMs(defaultPacing, random));
    expect(lengths[0]).toBeGreaterThanOrEqual(180_000);
    expect(lengths.at(-1)).toBeLessThanOrEqual(600_000);
    expect(mean(lengths) / 390_000).toBeCloseTo(1, 1);
  });

  it('can be switched off', () => {
    expect(breakAfter({ breakEveryMin: 0, breakEveryMax: 0 }, random)).toBe(Infinity);
  });
});

describe('the day cap', () => {
  it('grows from 20 a day by 35 % to the number’s cap', () => {
    expect([0, 1, 2, 3, 7, 9, 10, 400].map((days) => dayCap(defaultPacing, days))).toEqual([
      20, 27, 36, 49, 163, 297, 300, 300,
    ]);
  });

  it('is never above a small cap, and is the cap itself without a warm-up', () => {
    expect(dayCap({ dailyCap: 5, warmUp: true }, 0)).toBe(5);
    expect(dayCap({ dailyCap: 500, warmUp: false }, 0)).toBe(500);
  });

  it('takes a clock that runs backwards for the first day', () => {
    expect(dayCap(defaultPacing, -3)).toBe(20);
  });
});

describe('warnings', () => {
  it('are none for safe values and for gentler ones', () => {
    expect(pacingWarnings(defaultPacing)).toEqual([]);
    expect(pacingWarnings({ ...defaultPacing, medianMs: 60_000, dailyCap: 50, newChatCap: 5 })).toEqual([]);
  });

  it('name every bold value', () => {
    const warnings = pacingWarnings({
      ...defaultPacing,
      medianMs: 1_000,
      minMs: 500,
      dailyCap: 5_000,
      newChatCap: 1_000,
      warmUp: false,
      breakEveryMin: 0,
      breakEveryMax: 0,
    });
    expect(warnings).toHaveLength(6);
    expect(warnings.join()).toMatch(/1 s is below the safe 30 s.*5000 messages a day/s);
  });
});
