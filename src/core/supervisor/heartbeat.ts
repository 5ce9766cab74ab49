/** Tells a dead page from a slow one. */
export interface Heartbeat {
  /** Asks again when it is time; returns for how long the page has answered nothing, ms. */
  beat(now: number): number;
}

/** A page that answers after all this many questions are open is asked no more until then. */
const mostOpen = 4;

/**
 * Returns the heartbeat of one page. Any answer, however late, proves life: a page on a busy machine is slow, not dead. Time in which
 * this process itself stood still (a suspended machine, a long garbage collection) counts no more than one beat.
 */
export function createHeartbeat(input: {
  ask(): Promise<unknown>;
  beatMs: number;
  probeEveryMs: number;
  now: number;
}): Heartbeat {
  const { ask, beatMs, probeEveryMs } = input;
  let lastBeatAt = input.now;
  let lastAskedAt = Number.NEGATIVE_INFINITY;
  let silentMs = 0;
  let open = 0;

  async function question(): Promise<void> {
    open += 1;
    try {
      await ask();
      silentMs = 0;
    } catch {
      // A refusal is no answer: a page without WhatsApp Web in it is as dead as one that says nothing.
    } finally {
      open -= 1;
    }
  }

  return {
    beat(now) {
      silentMs += Math.min(now - lastBeatAt, 2 * beatMs);
      lastBeatAt = now;
      if (now - lastAskedAt >= probeEveryMs && open < mostOpen) {
        lastAskedAt = now;
        void question();
      }
      return silentMs;
    },
  };
}
