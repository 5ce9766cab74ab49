import type { Logger } from 'pino';
import { GatewayError, reasonOf } from '../model/errors.ts';
import { mediaTypes, type OutgoingContent } from '../model/content.ts';
import { type Feature, featureOf, features, missingFeatures, type SelfTest } from '../model/features.ts';
import { type Clock, withTimeout } from '../model/time.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { WhatsAppClient } from '../whatsapp/client.ts';

/** What each instance can do on the page that it has now. */
export interface Features {
  /** Takes what a page was found to have; it holds until the next one, or until the page is gone. */
  learn(instanceId: string, selfTest: SelfTest): Promise<void>;
  /** The page is gone: nothing is known of the next one. */
  forget(instanceId: string): void;
  /** Returns what the page lacks for a feature; null while it works or nothing is known against it. */
  missing(instanceId: string, feature: Feature): string[] | null;
  /** Returns the kinds of content that the page cannot send. */
  held(instanceId: string): ReadonlySet<OutgoingContent['type']>;
  /** Refuses what the page cannot do, after a second look. @throws GatewayError feature_unavailable */
  require(instanceId: string, feature: Feature): Promise<void>;
}

interface FeaturesDeps {
  instances: Pick<InstanceStore, 'update'>;
  client(instanceId: string): WhatsAppClient;
  /** Hears that an instance can do something again that it could not. */
  regained(instanceId: string): void;
  /** False only reports what is missing and lets everything be tried. */
  enforced: boolean;
  clock: Clock;
  log: Logger;
}

const sendable = ['text', ...mediaTypes] as const;
/** A second look is taken at most so often. */
const lookAgainMs = 30_000;
const lookTimeoutMs = 3_000;

/** Returns what knows the features of every instance. */
export function createFeatures({ instances, client, regained, enforced, clock, log }: FeaturesDeps): Features {
  const known = new Map<string, { selfTest: SelfTest; at: number }>();

  async function learn(instanceId: string, selfTest: SelfTest): Promise<void> {
    const before = known.get(instanceId)?.selfTest;
    known.set(instanceId, { selfTest, at: clock.now() });
    tell(instanceId, selfTest);
    const lost = Object.keys(before?.missing ?? {}) as Feature[];
    if (lost.some((feature) => !selfTest.missing[feature])) regained(instanceId);
    await instances
      .update(instanceId, { selfTest, selfTestAt: clock.now() })
      .catch((error: unknown) =>
        log.error({ instance: instanceId, error: reasonOf(error) }, 'a self-test could not be written'),
      );
  }

  function tell(instanceId: string, { missing, shims, webVersion, tookMs }: SelfTest): void {
    const failed = shims.filter(({ result }) => result === 'failed').map(({ name, error }) => `${name}: ${error}`);
    const facts = { instance: instanceId, webVersion, tookMs };
    const refused = missingFeatures({ missing, shims, webVersion, tookMs });
    if (refused.length === 0) return log.info(facts, 'this page of WhatsApp Web has everything that is offered');
    const lacking = Object.fromEntries(refused.map((feature) => [feature, missing[feature]]));
    log.warn({ ...facts, lacking, failed }, 'this page of WhatsApp Web lacks something: these features are refused');
  }

  function missing(instanceId: string, feature: Feature): string[] | null {
    return (enforced && known.get(instanceId)?.selfTest.missing[feature]) || null;
  }

  /** A page may have loaded more since: asked again before a caller is refused. */
  async function lookAgain(instanceId: string): Promise<void> {
    const last = known.get(instanceId);
    if (!last || clock.now() - last.at < lookAgainMs) return;
    last.at = clock.now();
    try {
      const selfTest = await withTimeout(client(instanceId).selfTest(), lookTimeoutMs, 'No answer');
      // Of a page that has gone meanwhile nothing holds.
      if (known.get(instanceId) === last) await learn(instanceId, selfTest);
    } catch (error) {
      log.debug({ instance: instanceId, error: reasonOf(error) }, 'the page could not be looked at again');
    }
  }

  return {
    learn,
    forget: (instanceId) => void known.delete(instanceId),
    missing,
    held: (instanceId) => new Set(sendable.filter((type) => missing(instanceId, featureOf({ type })))),

    async require(instanceId, feature) {
      if (!missing(instanceId, feature)) return;
      await lookAgain(instanceId);
      const lacking = missing(instanceId, feature);
      if (lacking) throw unavailable(feature, lacking, known.get(instanceId)!.selfTest.webVersion);
    },
  };
}

function unavailable(feature: Feature, lacking: string[], webVersion: string): GatewayError {
  return new GatewayError(
    'feature_unavailable',
    `${features[feature]}: not possible on WhatsApp Web ${webVersion}, which lacks ${lacking.join(', ')}`,
    { details: { feature, missing: lacking, webVersion } },
  );
}
