import type { ProfileKeeper } from '../client.ts';
import { keepCopy, removeCopies, restoreCopy, trustCopy } from './copies.ts';
import { removeProfile } from './profile.ts';

/** Returns the keeper of profiles; `trial` starts the browser on an empty one and throws when it does not work. */
export function createProfileKeeper({ trial }: { trial(): Promise<unknown> }): ProfileKeeper {
  return {
    async remove(profileDir) {
      await removeCopies(profileDir);
      await removeProfile(profileDir);
    },
    keepCopy: (profileDir) => keepCopy(profileDir),
    restore: (profileDir) => restoreCopy(profileDir),
    restoreHelped: (profileDir) => trustCopy(profileDir),
    browserWorks: () =>
      trial().then(
        () => true,
        () => false,
      ),
  };
}
