import type { LaunchBrowser } from '../webjs/client.ts';

/** Starts browsers, and knows whether they start at all. */
export interface LaunchWatch {
  launch: LaunchBrowser;
  /** Says why no browser starts; null while one runs, and after a start that went well. */
  problem(): string | null;
}

/** One failure may be that of a single profile. */
const failuresToTell = 2;

/** Returns the launcher with a memory of how its last starts went. */
export function createLaunchWatch(launch: LaunchBrowser): LaunchWatch {
  let running = 0;
  let failures = 0;

  return {
    async launch(input) {
      try {
        const launched = await launch(input);
        failures = 0;
        running += 1;
        launched.browser.once('disconnected', () => (running -= 1));
        return launched;
      } catch (error) {
        failures += 1;
        throw error;
      }
    },
    problem: () =>
      running === 0 && failures >= failuresToTell ? `No browser starts: ${failures} failures in a row` : null,
  };
}
