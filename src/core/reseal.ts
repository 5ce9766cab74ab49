import type { Knex } from 'knex';
import type { Instance } from '../model/instance.ts';
import type { Database } from '../store/database.ts';
import type { InstancePatch, InstanceStore } from '../store/instances.ts';
import type { EndpointPatch, StoredEndpoint, WebhookStore } from '../store/webhooks.ts';
import type { Secrets } from './secrets.ts';

/** How the stored secrets stand to the present keys. */
export interface SealState {
  /** Webhooks, and instances with a proxy, that keep something sealed. */
  total: number;
  /** Those of them that need a previous key. */
  old: number;
  /** Ids of those that no key opens. */
  lost: string[];
}

/** Keeps what is stored sealed in step with the secret keys. */
export interface Sealing {
  /** Tells which keys the stored secrets need. */
  state(): Promise<SealState>;
  /** Seals anew, with the current key, what a previous one has sealed; returns how many rows it changed. @throws Error when no key opens some of it, in words for the operator */
  renew(): Promise<number>;
  /** Removes the secrets that no key opens, disables their webhooks and stops their instances; returns their ids. */
  discardLost(): Promise<string[]>;
}

/** Someone who keeps secrets. */
interface Holder {
  id: string;
  sealed: string[];
  renew(anew: (sealed: string) => string, trx: Knex.Transaction): Promise<void>;
  discard(trx: Knex.Transaction): Promise<void>;
}

/** Returns the keeper of sealed secrets. Whatever else stores one must be a holder here too. */
export function createSealing({
  database,
  endpoints,
  instances,
  secrets,
}: {
  database: Database;
  endpoints: Pick<WebhookStore, 'sealed' | 'update'>;
  instances: Pick<InstanceStore, 'sealed' | 'update'>;
  secrets: Pick<Secrets, 'seal' | 'open' | 'isCurrent'>;
}): Sealing {
  const isOld = ({ sealed }: Holder) => !sealed.every((text) => secrets.isCurrent(text));
  const isLost = ({ sealed }: Holder) => !sealed.every((text) => canOpen(secrets, text));
  const anew = (sealed: string) => (secrets.isCurrent(sealed) ? sealed : secrets.seal(secrets.open(sealed)));

  async function holders(trx?: Knex.Transaction): Promise<Holder[]> {
    const webhooks = await endpoints.sealed(trx);
    const proxies = await instances.sealed(trx);
    return [
      ...webhooks.map((endpoint) => webhookHolder(endpoint, endpoints)),
      ...proxies.map((instance) => proxyHolder(instance, instances)),
    ];
  }

  async function renewAll(trx: Knex.Transaction): Promise<number> {
    const found = await holders(trx);
    const lost = found.filter(isLost);
    if (lost.length > 0) throw new Error(lostSentence(lost.map(({ id }) => id)));
    const old = found.filter(isOld);
    for (const holder of old) await holder.renew(anew, trx);
    return old.length;
  }

  return {
    async state() {
      const found = await holders();
      return {
        total: found.length,
        old: found.filter(isOld).length,
        lost: found.filter(isLost).map(({ id }) => id),
      };
    },

    renew: () => database.transaction(renewAll),

    discardLost: () =>
      database.transaction(async (trx) => {
        const lost = (await holders(trx)).filter(isLost);
        for (const holder of lost) await holder.discard(trx);
        return lost.map(({ id }) => id);
      }),
  };
}

const lostWebhook: EndpointPatch = {
  sealedSecret: null,
  oldSecrets: [],
  headerNames: [],
  sealedHeaders: null,
  enabled: false,
  disabledReason: 'Its secret and headers were lost with the secret key: set them again',
};

function webhookHolder(endpoint: StoredEndpoint, endpoints: Pick<WebhookStore, 'update'>): Holder {
  const { id, sealedSecret, oldSecrets, sealedHeaders, headerNames } = endpoint;
  const all = [sealedSecret, sealedHeaders, ...oldSecrets.map(({ sealed }) => sealed)];
  return {
    id,
    sealed: all.filter((sealed) => sealed !== null),
    renew: (anew, trx) =>
      endpoints.update(
        id,
        {
          ...(sealedSecret !== null && { sealedSecret: anew(sealedSecret) }),
          ...(sealedHeaders !== null && { sealedHeaders: anew(sealedHeaders), headerNames }),
          oldSecrets: oldSecrets.map(({ sealed, until }) => ({ sealed: anew(sealed), until })),
        },
        trx,
      ),
    discard: (trx) => endpoints.update(id, lostWebhook, trx),
  };
}

/** Without its proxy the instance must not go out by another way: it stops. */
const lostProxy: InstancePatch = {
  proxySealed: null,
  desiredState: 'stopped',
  state: 'stopped',
  reason: 'Its proxy was lost with the secret key: set it again, then connect',
};

function proxyHolder({ id, proxySealed }: Instance, instances: Pick<InstanceStore, 'update'>): Holder {
  return {
    id,
    sealed: proxySealed === null ? [] : [proxySealed],
    async renew(anew, trx) {
      if (proxySealed !== null) await instances.update(id, { proxySealed: anew(proxySealed) }, trx);
    },
    discard: (trx) => instances.update(id, lostProxy, trx),
  };
}

function canOpen(secrets: Pick<Secrets, 'open'>, sealed: string): boolean {
  try {
    secrets.open(sealed);
    return true;
  } catch {
    return false;
  }
}

function lostSentence(lost: string[]): string {
  const named = lost.slice(0, 5).join(', ') + (lost.length > 5 ? ' …' : '');
  return (
    `the secret key does not open what is stored for ${lost.length === 1 ? 'a webhook or proxy' : `${lost.length} webhooks or proxies`} (${named}). ` +
    'Set SECRET_KEY to the key it was sealed with, or name that key in SECRET_KEY_PREVIOUS, or bring DATA_DIR/secret.key back. ' +
    'If the key is lost for good: npm run wapbridge -- secret discard'
  );
}
