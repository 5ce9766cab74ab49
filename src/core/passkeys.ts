import type { Logger } from 'pino';
import { GatewayError, reasonOf } from '../model/errors.ts';
import type { NewEvent } from '../model/events.ts';
import type { Instance } from '../model/instance.ts';
import { assertFits, type PasskeyAssertion, type PasskeyStep } from '../model/passkey.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { Database } from '../store/database.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { WhatsAppClient } from '../whatsapp/client.ts';
import type { Announcer } from './announcer.ts';
import type { Audit } from './audit.ts';
import { createExclusive } from './exclusive.ts';

/** A step in which something is asked for. */
type OpenStep = Exclude<PasskeyStep, { step: 'over' }>;

/** How the passkey step of an instance stands. */
export interface PasskeyStanding {
  step: OpenStep['step'];
  /** What has to be signed: WhatsApp's options as they are, null when the page does not tell. */
  options: Record<string, unknown> | null;
  /** What the phone shows, to be compared. */
  code: string | null;
  /** Why the last answer was not taken. */
  reason: string | null;
  /** Unix ms until which WhatsApp waits for this step. */
  expiresAt: number;
}

/** The passkey that WhatsApp asks some numbers for when a device is linked: what it asks, and the owner's answer on its way to the page. */
export interface Passkeys {
  /** Takes what the page tells; returns the sentence that says what is to be done. */
  hear(instanceId: string, client: WhatsAppClient, told: OpenStep): string;
  /** The instance is past that step, or its page is gone. */
  over(instanceId: string): void;
  /** Returns how it stands, with a fresh challenge after a failure. @throws GatewayError conflict when nothing is asked */
  challenge(caller: Caller, instanceId: string): Promise<PasskeyStanding>;
  /** Hands the owner's answer to WhatsApp and returns what came of it. @throws GatewayError not_supported | conflict | invalid_input */
  submit(caller: Caller, instanceId: string, assertion: PasskeyAssertion): Promise<PasskeyStanding>;
  /** Says that the phone shows the same code. @throws GatewayError not_supported | conflict */
  confirm(caller: Caller, instanceId: string): Promise<void>;
}

interface PasskeyDeps {
  database: Database;
  announcer: Announcer;
  instances: Pick<InstanceStore, 'byId'>;
  audit: Pick<Audit, 'record'>;
  /** @throws GatewayError instance_not_found, also for another account's */
  instance(caller: Caller, id: string): Promise<Instance>;
  isRelay: boolean;
  clock: Clock;
  log: Logger;
}

interface Case {
  client: WhatsAppClient;
  told: OpenStep;
  /** The last options told, also when a later step is there. */
  options: PasskeyStanding['options'];
  /** Why the last answer was not taken; a new challenge follows at once. */
  failure: string | null;
  toldAt: number;
}

/** WhatsApp Web gives up each step after so long (WAWebShortcakeLinkingApi). */
const stepMs = 120_000;
const refreshMs = 10_000;
/** A call waits so long for what comes of it; the events tell what comes later. */
const answerMs = 15_000;
const pollMs = 50;

const sentences: Record<OpenStep['step'], string> = {
  asked: 'WhatsApp asks for the passkey of this number before it links a device',
  sent: 'WhatsApp has the passkey and asks the phone',
  code: 'The phone shows a code: compare it and confirm',
  failed: 'The passkey was not accepted: try again',
};

/** Returns the passkey step of all instances. */
export function createPasskeys(deps: PasskeyDeps): Passkeys {
  const { database, announcer, clock, log } = deps;
  const cases = new Map<string, Case>();
  /** Steps are told one after another. */
  const inTurn = createExclusive();

  function hear(instanceId: string, client: WhatsAppClient, told: OpenStep): string {
    const before = cases.get(instanceId);
    const options = told.step === 'asked' ? readOptions(told.options) : (before?.options ?? null);
    const failure = told.step === 'failed' ? told.reason : told.step === 'asked' ? (before?.failure ?? null) : null;
    const now: Case = { client, told, options, failure, toldAt: clock.now() };
    cases.set(instanceId, now);
    log.warn({ instance: instanceId, step: told.step }, sentences[told.step]);
    inTurn(instanceId, () => announce(instanceId, now)).catch((error: unknown) =>
      log.error({ instance: instanceId, error: reasonOf(error) }, 'the passkey step could not be announced'),
    );
    return sentences[told.step];
  }

  async function announce(instanceId: string, standing: Case): Promise<void> {
    const instance = await deps.instances.byId(instanceId);
    if (!instance) return;
    const { accountId } = instance;
    const event: NewEvent<'instance.passkey'> = {
      accountId,
      instanceId,
      type: 'instance.passkey',
      payload: present(standing),
      orderKey: instanceId,
    };
    await database.transaction((trx) => announcer.enqueue(trx, [event]));
  }

  function present({ told, options, failure, toldAt }: Case): PasskeyStanding {
    return {
      step: told.step,
      options,
      code: told.step === 'code' ? told.code : null,
      reason: failure,
      expiresAt: toldAt + stepMs,
    };
  }

  async function caseOf(caller: Caller, instanceId: string): Promise<Case> {
    await deps.instance(caller, instanceId);
    const known = cases.get(instanceId);
    if (!known) throw new GatewayError('conflict', `WhatsApp asks for no passkey for ${instanceId}`);
    return known;
  }

  function assertRelay(): void {
    if (!deps.isRelay)
      throw new GatewayError('not_supported', 'Answers are not handed on: set EXPERIMENTAL_PASSKEY_RELAY=true');
  }

  /** Returns the case as soon as it is another than before, or as it is when time is over. */
  async function next(instanceId: string, before: Case, waitMs: number): Promise<Case | null> {
    for (const end = clock.now() + waitMs; clock.now() < end; await clock.sleep(pollMs)) {
      const now = cases.get(instanceId) ?? null;
      if (now !== before) return now;
    }
    return before;
  }

  async function challenge(caller: Caller, instanceId: string): Promise<PasskeyStanding> {
    const known = await caseOf(caller, instanceId);
    const isStale =
      known.told.step === 'failed' || (known.told.step === 'asked' && clock.now() > known.toldAt + stepMs);
    if (!isStale) return present(known);
    await known.client.passkey({ ask: 'refresh' });
    return present((await next(instanceId, known, refreshMs)) ?? known);
  }

  return {
    hear,
    over: (instanceId) => void cases.delete(instanceId),
    challenge,

    async submit(caller, instanceId, assertion) {
      assertRelay();
      const known = await caseOf(caller, instanceId);
      if (known.told.step === 'sent' || known.told.step === 'code')
        throw new GatewayError('conflict', sentences[known.told.step]);
      assertFits(assertion, known.options?.['challenge']);
      await deps.audit.record(caller, { action: 'instance.passkey_submitted', subject: instanceId, instanceId });
      if (!(await known.client.passkey({ ask: 'answer', assertion })))
        throw new GatewayError(
          'conflict',
          'WhatsApp Web does not wait for this passkey any more: fetch the challenge again',
        );
      const after = (await next(instanceId, known, answerMs)) ?? known;
      return present(after.told.step === 'sent' ? ((await next(instanceId, after, answerMs)) ?? after) : after);
    },

    async confirm(caller, instanceId) {
      assertRelay();
      const known = await caseOf(caller, instanceId);
      await deps.audit.record(caller, { action: 'instance.passkey_submitted', subject: instanceId, instanceId });
      if (known.told.step !== 'code' || !(await known.client.passkey({ ask: 'confirm' })))
        throw new GatewayError('conflict', 'There is no code to confirm now');
    },
  };
}

/** What the page tells comes from WhatsApp's server: it may be anything. */
function readOptions(text: string | null): PasskeyStanding['options'] {
  try {
    const options: unknown = JSON.parse(text ?? 'null');
    return typeof options === 'object' ? (options as PasskeyStanding['options']) : null;
  } catch {
    return null;
  }
}
