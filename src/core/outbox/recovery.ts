import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import { type DueMessage, dueOf } from '../../store/message-due.ts';
import type { MessageStore } from '../../store/messages.ts';
import type { WhatsAppClient } from '../../whatsapp/client.ts';
import type { MessageChanges } from './changes.ts';
import type { Lanes } from './lanes.ts';
import type { Endings } from './endings.ts';

/** Makes good what was interrupted, when an instance comes back. */
export interface Recovery {
  /**
   * Finds what a former page may or may not have sent, and what nobody holds. `again` is counted, and to be sent again with the same id;
   * `suspects` are to be handed over one by one. What is hopeless or too late is only looked up, and then ended.
   */
  interrupted(instanceId: string, client: WhatsAppClient): Promise<{ again: Message[]; suspects: Message[] }>;
  /** Ends those whose time to live is over, but for those that the page has; returns the others. */
  inTime(instanceId: string, client: WhatsAppClient, rows: readonly Message[]): Promise<Message[]>;
  /** Counts that a page gets these messages, once for each page; returns those that are still on their way. */
  claim(client: WhatsAppClient, rows: readonly Message[]): Promise<Message[]>;
  /** Returns those that the page can send; the others go back to the queue, unless they went out before. */
  sendable(instanceId: string, client: WhatsAppClient, rows: Message[]): Promise<Message[]>;
  /** Reads from the page the acks that came while the gateway was away. */
  reconcile(instanceId: string, client: WhatsAppClient): Promise<void>;
}

interface RecoveryDeps {
  messages: Pick<MessageStore, 'interrupted' | 'claimAgain' | 'requeue' | 'unsettled'>;
  changes: Pick<MessageChanges, 'acked'>;
  endings: Pick<Endings, 'end'>;
  lanes: Pick<Lanes, 'of' | 'held'>;
  /** Takes note of times at which something happens to messages. */
  note(due: readonly DueMessage[]): void;
  clock: Clock;
  log: Logger;
}

const reconcileMs = 3 * 86_400_000;
const reconciledAtOnce = 500;

/** Whose page ended so often is handed over alone: one of those beside it may be what pages do not outlive. */
const suspectAfter = 4;
/** Whose page ended even so is not sent again. */
const hopelessAfter = 5;

/** Returns what makes good. */
export function createRecovery(deps: RecoveryDeps): Recovery {
  const { messages, changes, endings, lanes, note, clock, log } = deps;
  /** Ids of what each page was given here. A line that drops and comes back says nothing against a message that the page is at. */
  const given = new WeakMap<WhatsAppClient, Set<string>>();

  function givenTo(client: WhatsAppClient): Set<string> {
    const ids = given.get(client) ?? new Set();
    given.set(client, ids);
    return ids;
  }

  async function claim(client: WhatsAppClient, rows: readonly Message[]): Promise<Message[]> {
    const ids = rows.map(({ id }) => id);
    const claimed = await messages.claimAgain(ids, givenTo(client));
    for (const id of ids) givenTo(client).add(id);
    return claimed;
  }

  /** Takes over what the page knows of these messages; returns those that it does not have. */
  async function lookUp(instanceId: string, client: WhatsAppClient, rows: readonly Message[]): Promise<Message[]> {
    const found = await client.find(rows.map(({ waId, chat }) => ({ waId, chat })));
    changes.acked(instanceId, found);
    const known = new Set(found.map(({ waId }) => waId));
    return rows.filter(({ waId }) => !known.has(waId));
  }

  /** Ends messages that are not sent again, but for those that the page has. */
  async function giveUp(instanceId: string, client: WhatsAppClient, rows: Message[]): Promise<void> {
    if (rows.length === 0) return;
    const unknown = await lookUp(instanceId, client, rows).catch((error: unknown) => {
      log.warn({ instance: instanceId, error: reasonOf(error) }, 'the page could not be asked for lost messages');
      return rows;
    });
    const [late, hopeless] = parted(unknown, isLate);
    if (late.length > 0) await endings.end(late, 'uncertain', 'expired');
    if (hopeless.length > 0) await endings.end(hopeless, 'uncertain', 'no_answer_from_page');
  }

  const isLate = ({ expiresAt }: Message) => expiresAt !== null && expiresAt <= clock.now();

  return {
    async interrupted(instanceId, client) {
      const lane = lanes.of(instanceId);
      const rows = (await messages.interrupted(instanceId)).filter(
        ({ waId }) => !lane.inFlight.has(waId) && !lane.suspects.has(waId),
      );
      if (rows.length === 0) return { again: [], suspects: [] };
      log.info({ instance: instanceId, count: rows.length }, 'looking up messages that were interrupted');
      const [here, elsewhere] = parted(rows, ({ id }) => givenTo(client).has(id));
      const [lost, open] = parted(elsewhere, (message) => isLate(message) || message.attempts >= hopelessAfter);
      const [suspects, others] = parted(open, ({ attempts }) => attempts >= suspectAfter);
      await giveUp(instanceId, client, lost);
      return { again: await claim(client, [...here, ...others]), suspects };
    },

    async inTime(instanceId, client, rows) {
      const [late, others] = parted(rows, isLate);
      await giveUp(instanceId, client, late);
      return others;
    },

    claim,

    async sendable(instanceId, client, rows) {
      const types: ReadonlySet<string> = lanes.held(instanceId);
      const [waiting, others] = parted(rows, (message) => types.has(message.content.type));
      if (waiting.length === 0) return rows;
      const requeued = await messages.requeue(await lookUp(instanceId, client, waiting));
      note(requeued.flatMap(dueOf));
      return others;
    },

    async reconcile(instanceId, client) {
      const sinceAt = clock.now() - reconcileMs;
      await lookUp(instanceId, client, await messages.unsettled({ instanceId, sinceAt, limit: reconciledAtOnce }));
    },
  };
}

/** Returns those that pass, and the others. */
function parted<T>(items: readonly T[], passes: (item: T) => boolean): [T[], T[]] {
  return [items.filter(passes), items.filter((item) => !passes(item))];
}
