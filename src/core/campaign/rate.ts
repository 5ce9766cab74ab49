import type { Clock } from '../../model/time.ts';

/** How fast campaigns have been sent of late. */
export interface SendRate {
  sent(campaignId: string): void;
  /** Sends a minute over the last ten minutes. */
  perMinute(campaignId: string): number;
}

const rateMs = 600_000;

/** Returns a count of sends, empty after a start. */
export function createSendRate(clock: Clock): SendRate {
  const sentAt = new Map<string, number[]>();

  return {
    sent(campaignId) {
      const times = sentAt.get(campaignId) ?? [];
      times.push(clock.now());
      while (times[0]! < clock.now() - rateMs) times.shift();
      sentAt.set(campaignId, times);
    },

    perMinute(campaignId) {
      const since = clock.now() - rateMs;
      const count = (sentAt.get(campaignId) ?? []).filter((at) => at >= since).length;
      return (count * 60_000) / rateMs;
    },
  };
}
