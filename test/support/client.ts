import type { SelfTest } from '../../src/model/features.ts';
import type { Jid } from '../../src/model/jid.ts';
import type { Ack } from '../../src/model/message.ts';
import type {
  Amendment,
  ClientMessage,
  MessageLookup,
  ReceivedMessage,
  Restrictions,
  SendOutcome,
  SentMessage,
  WhatsAppClient,
} from '../../src/whatsapp/client.ts';

/** A WhatsApp client whose answers a test scripts; the real one is tried in the end-to-end tests. */
export interface ScriptedClient extends WhatsAppClient {
  /** Everything that was handed over, in order. */
  readonly sent: ClientMessage[];
  /** What the page would find by id. */
  readonly stored: Map<string, SentMessage>;
  /** How the next messages end; default: accepted. */
  answer: (message: ClientMessage) => SendOutcome | 'silence' | Error;
  missed: ReceivedMessage[];
  /** What was changed meanwhile. */
  amendments: Amendment[];
  /** What WhatsApp keeps the number from. */
  told: Restrictions;
  /** What its page is found to have. */
  tested: SelfTest;
}

/** Returns a client that reports to `onSent` on the next turn, as the page does. */
export function createScriptedClient(onSent: (outcomes: SendOutcome[]) => void): ScriptedClient {
  const sent: ClientMessage[] = [];
  const stored = new Map<string, SentMessage>();

  function outcomeOf(message: ClientMessage): SendOutcome | 'silence' {
    const known = message.retry ? stored.get(message.waId) : undefined;
    if (known) return { result: 'accepted', ...known };
    const outcome = client.answer(message);
    if (outcome instanceof Error) throw outcome;
    if (outcome !== 'silence' && outcome.result === 'accepted') stored.set(message.waId, outcome);
    return outcome;
  }

  const client: ScriptedClient = {
    sent,
    stored,
    missed: [],
    amendments: [],
    told: { timelock: null, newChats: null },
    tested: { webVersion: '2.3000.0', missing: {}, shims: [], tookMs: 1 },
    answer: (message) => accepted(message),
    start: async () => undefined,
    stop: async () => true,
    takeover: async () => undefined,
    memory: async () => null,
    logout: async () => undefined,
    requestPairingCode: async () => 'ABCDEFGH',
    async send(messages) {
      for (const message of messages) {
        sent.push(message);
        const outcome = outcomeOf(message);
        if (outcome !== 'silence') setImmediate(() => onSent([outcome]));
      }
    },
    find: async (keys: MessageLookup[]) => keys.flatMap(({ waId }) => stored.get(waId) ?? []),
    restrictions: async () => client.told,
    checkNumber: async (jid: Jid) => jid,
    downloadMedia: async () => ({ data: Buffer.from('file'), mimeType: 'text/plain' }),
    chatsSince: async (sinceMs) => [
      ...new Set(client.missed.filter(({ happenedAt }) => happenedAt >= sinceMs).map((message) => message.chat)),
    ],
    receivedSince: async (chat, sinceMs) =>
      client.missed.filter((message) => message.chat === chat && message.happenedAt >= sinceMs),
    amended: async () => client.amendments,
    selfTest: async () => client.tested,
    passkey: async () => false,
    probe: async () => 'CONNECTED',
    webPage: async () => ({ version: '2.3000.1', html: '<html></html>' }),
    browserVersion: async () => 'HeadlessChrome/1.0',
    screenshot: async () => Buffer.from('png'),
  };
  return client;
}

/** Returns the outcome of a message that WhatsApp Web has stored. */
export function accepted(message: { waId: string; chat: Jid }, ack: Ack = 0): SendOutcome {
  return { result: 'accepted', waId: message.waId, waKey: `true_${message.chat}_${message.waId}`, ack };
}
