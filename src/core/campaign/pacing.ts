import { type Pacing, defaultPacing } from '../../model/campaign.ts';

/** How wide the gaps spread around their median: at 0.6 two thirds lie between 0.55 and 1.8 times of it. */
const gapSigma = 0.6;
const warmUpFirstDay = 20;
const warmUpGrowth = 1.35;
const maxWarmUpDays = 100;

/**
 * Returns how long a number waits after a bulk message: log-normal around the median, as people's pauses are, and never outside of
 * min and max.
 */
export function gapMs(pacing: Pick<Pacing, 'medianMs' | 'minMs' | 'maxMs'>, random: () => number): number {
  const drawnMs = pacing.medianMs * Math.exp(gapSigma * normal(random));
  return Math.round(Math.min(Math.max(drawnMs, pacing.minMs), pacing.maxMs));
}

/** Returns the length of a long break: evenly between its bounds. */
export function breakMs(pacing: Pick<Pacing, 'breakMinMs' | 'breakMaxMs'>, random: () => number): number {
  return Math.round(pacing.breakMinMs + random() * (pacing.breakMaxMs - pacing.breakMinMs));
}

/** Returns after how many sends the next long break is due: evenly between its bounds, both included; Infinity without breaks. */
export function breakAfter(pacing: Pick<Pacing, 'breakEveryMin' | 'breakEveryMax'>, random: () => number): number {
  if (pacing.breakEveryMax <= 0) return Infinity;
  return pacing.breakEveryMin + Math.floor(random() * (pacing.breakEveryMax - pacing.breakEveryMin + 1));
}

/**
 * Returns how many bulk messages a number may send in a day: one that was linked lately starts with 20 and does 1.35 times as many
 * each day, up to its cap. A restriction by WhatsApp starts the ramp anew: then the days count from its end.
 */
export function dayCap(pacing: Pick<Pacing, 'dailyCap' | 'warmUp'>, daysSincePaired: number): number {
  if (!pacing.warmUp) return pacing.dailyCap;
  const days = Math.min(Math.max(Math.floor(daysSincePaired), 0), maxWarmUpDays);
  return Math.min(pacing.dailyCap, Math.floor(warmUpFirstDay * warmUpGrowth ** days));
}

/** Returns the mean time from one bulk message to the next, long breaks included: what forecasts count with. */
export function meanStepMs(pacing: Pacing): number {
  const breakEvery = (pacing.breakEveryMin + pacing.breakEveryMax) / 2;
  const meanBreakMs = (pacing.breakMinMs + pacing.breakMaxMs) / 2;
  return meanGapMs(pacing) + (breakEvery > 0 ? meanBreakMs / breakEvery : 0);
}

/** The mean of a log-normal variable cut to [min, max]. */
function meanGapMs({ medianMs, minMs, maxMs }: Pacing): number {
  if (minMs >= maxMs) return maxMs;
  const low = Math.log(minMs / medianMs) / gapSigma;
  const high = Math.log(maxMs / medianMs) / gapSigma;
  const within = medianMs * Math.exp(gapSigma ** 2 / 2) * (phi(high - gapSigma) - phi(low - gapSigma));
  return minMs * phi(low) + maxMs * (1 - phi(high)) + within;
}

/** Returns what is bolder about a pacing than the safe one, in sentences. */
export function pacingWarnings(pacing: Pacing, safe: Pacing = defaultPacing): string[] {
  const seconds = (ms: number) => `${ms / 1000} s`;
  const checks: [boolean, string][] = [
    [
      pacing.medianMs < safe.medianMs,
      `A median gap of ${seconds(pacing.medianMs)} is below the safe ${seconds(safe.medianMs)}: WhatsApp may restrict the number`,
    ],
    [
      pacing.minMs < safe.minMs,
      `A shortest gap of ${seconds(pacing.minMs)} is below the safe ${seconds(safe.minMs)}: WhatsApp may restrict the number`,
    ],
    [
      pacing.dailyCap > safe.dailyCap,
      `${pacing.dailyCap} messages a day are more than the safe ${safe.dailyCap}: WhatsApp may restrict the number`,
    ],
    [
      pacing.newChatCap > safe.newChatCap,
      `${pacing.newChatCap} new chats a day are more than the safe ${safe.newChatCap}: WhatsApp restricts numbers for messages to strangers first`,
    ],
    [!pacing.warmUp && safe.warmUp, 'Without the warm-up a newly linked number sends more than WhatsApp expects of it'],
    [
      pacing.breakEveryMax <= 0 && safe.breakEveryMax > 0,
      'Without long breaks the number sends more evenly than a person would',
    ],
  ];
  return checks.filter(([isBold]) => isBold).map(([, sentence]) => sentence);
}

/** A standard normal variable (Box–Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** The standard normal distribution function, to 1e-7 (Abramowitz and Stegun 26.2.17). */
function phi(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const tail =
    (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return x > 0 ? 1 - tail : tail;
}
