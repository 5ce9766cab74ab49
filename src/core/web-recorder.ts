import type { Logger } from 'pino';
import { GatewayError, reasonOf } from '../model/errors.ts';
import { missingFeatures } from '../model/features.ts';
import type { Instance } from '../model/instance.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { WhatsAppClient } from '../whatsapp/client.ts';
import type { Instances } from './instances.ts';

/** Keeps pages of WhatsApp Web that have proved good, so that there is one to go back to. */
export interface WebRecorder {
  /** Keeps the page of every instance that has been ready for ten minutes with nothing missing. */
  tick(): Promise<void>;
  /** Keeps the page of this instance now. @throws GatewayError instance_not_found | conflict when it has no page */
  record(caller: Caller, id: string): Promise<{ version: string; isNew: boolean }>;
}

interface WebRecorderDeps {
  instances: () => Pick<Instances, 'get'>;
  /** Every instance that should run. */
  wanted(): Promise<Instance[]>;
  anyClient(instanceId: string): WhatsAppClient | null;
  versions: { has(version: string): Promise<boolean>; save(version: string, html: string): Promise<boolean> };
  clock: Pick<Clock, 'now'>;
  log: Logger;
}

const provenMs = 600_000;

/** Returns the recorder. */
export function createWebRecorder(deps: WebRecorderDeps): WebRecorder {
  const { versions, anyClient, clock, log } = deps;

  function hasProved({ state, stateSince, selfTest, webVersion }: Instance): boolean {
    if (state !== 'ready' || stateSince === null || clock.now() - stateSince < provenMs) return false;
    // The test must be of this very page.
    if (!selfTest || selfTest.webVersion !== webVersion) return false;
    // Where stanzas are decoded is WhatsApp's choice for the account, not for the page.
    return missingFeatures(selfTest).every((feature) => feature === 'stanzas');
  }

  async function save(client: WhatsAppClient): Promise<{ version: string; isNew: boolean }> {
    const { version, html } = await client.webPage();
    return { version, isNew: await versions.save(version, html) };
  }

  return {
    async tick() {
      for (const instance of (await deps.wanted()).filter(hasProved)) {
        const client = anyClient(instance.id);
        if (!client || (await versions.has(instance.webVersion!))) continue;
        try {
          const { version, isNew } = await save(client);
          if (isNew)
            log.info({ instance: instance.id, webVersion: version }, 'a good page of WhatsApp Web is recorded');
        } catch (error) {
          log.warn({ instance: instance.id, error: reasonOf(error) }, 'a page of WhatsApp Web could not be recorded');
        }
      }
    },

    async record(caller, id) {
      await deps.instances().get(caller, id);
      const client = anyClient(id);
      if (!client) throw new GatewayError('conflict', `${id} has no page open: start it first`);
      try {
        return await save(client);
      } catch (error) {
        throw new GatewayError('conflict', `The page of ${id} cannot be recorded: ${reasonOf(error)}`, {
          cause: error,
        });
      }
    },
  };
}
