const mostMs = 300_000;

/** How long an instance must have been ready until its failures before that count no more. */
export const stableMs = 300_000;

/** Returns the pause after so many failures in a row (1 or more): the first, doubled each time, at most 5 min, give or take a fifth. */
export function backoffMs({
  failures,
  firstMs,
  random,
}: {
  failures: number;
  firstMs: number;
  random: () => number;
}): number {
  const pauseMs = Math.min(firstMs * 2 ** (failures - 1), mostMs) * (0.8 + 0.4 * random());
  return Math.round(Math.min(pauseMs, mostMs));
}
