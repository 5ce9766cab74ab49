import type { Knex } from 'knex';
import type { OptOut, OptOutWords } from '../model/campaign.ts';
import { textOf } from '../model/content.ts';
import { GatewayError } from '../model/errors.ts';
import type { NewEvent } from '../model/events.ts';
import type { Instance } from '../model/instance.ts';
import { isGroup, phoneJid } from '../model/jid.ts';
import { type Message, priorities } from '../model/message.ts';
import { parsePhone } from '../model/phone.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { Database } from '../store/database.ts';
import type { MessageStore } from '../store/messages.ts';
import type { NumberStore } from '../store/numbers.ts';
import type { OptOutStore } from '../store/opt-outs.ts';
import type { Announcer } from './announcer.ts';
import { changesBetween, createAudit } from './audit.ts';
import { createWordReader, defaultOptOutWords, type WordReader } from './campaign/optout.ts';
import type { Outbox } from './outbox.ts';
import { newOutgoing } from './outgoing.ts';

/** Whom an account may not write to in bulk: people say so themselves, or the account does. */
export interface OptOuts {
  /** Hears what people write, in the transaction that stores it. */
  heard(trx: Knex.Transaction, instance: Instance, received: readonly Message[]): Promise<void>;
  /** By phone, `after` the last one of the page before. @throws GatewayError forbidden: they are the account's, as what follows */
  list(caller: Caller, input: { after?: string | null; limit: number }): Promise<OptOut[]>;
  /** Returns the phones as stored. @throws GatewayError invalid_number | forbidden */
  add(caller: Caller, input: { numbers: string[]; country?: string | null }): Promise<string[]>;
  /** @throws GatewayError invalid_number | forbidden */
  remove(caller: Caller, input: { numbers: string[]; country?: string | null }): Promise<string[]>;
  words(caller: Caller): Promise<OptOutWords>;
  /** Null goes back to the gateway's words. @throws GatewayError invalid_input | forbidden */
  setWords(caller: Caller, words: OptOutWords | null): Promise<OptOutWords>;
}

interface OptOutDeps {
  database: Database;
  store: OptOutStore;
  numbers: NumberStore;
  messages: MessageStore;
  announcer: Announcer;
  outbox: Pick<Outbox, 'added'>;
  defaultCountry: string | null;
  clock: Clock;
  newId: () => string;
}

const wordsLifeMs = 30_000;
const heardKept = 20_000;
const longestWord = 40;
const mostWords = 200;
const notedPhones = 50;

/** Returns the use cases of opting out. */
export function createOptOuts(deps: OptOutDeps): OptOuts {
  const { database, store, numbers, messages, announcer, outbox, clock, newId } = deps;
  const audit = createAudit(deps);
  const wordsOf = new Map<string, { words: OptOutWords; wordOf: WordReader; readAt: number }>();
  /** Counts changes of any words. */
  let changes = 0;
  /** Instance and phone of people who are known to be known. */
  const known = new Set<string>();

  async function accountWords(
    accountId: string,
    trx?: Knex.Transaction,
  ): Promise<{ words: OptOutWords; wordOf: WordReader }> {
    const now = clock.now();
    const kept = wordsOf.get(accountId);
    if (kept && now >= kept.readAt && now - kept.readAt < wordsLifeMs) return kept;
    const before = changes;
    const words = (await store.words(accountId, trx)) ?? defaultOptOutWords;
    const read = { words, wordOf: createWordReader(words), readAt: now };
    // Words that changed while they were read are read again the next time.
    if (before === changes) wordsOf.set(accountId, read);
    return read;
  }

  async function heard(trx: Knex.Transaction, instance: Instance, received: readonly Message[]): Promise<void> {
    const direct = received.filter((message) => message.senderPhone !== null && !isGroup(message.chat));
    if (direct.length === 0) return;
    await remember(
      trx,
      instance.id,
      direct.map((message) => message.senderPhone!),
    );
    const { words, wordOf } = await accountWords(instance.accountId, trx);
    for (const message of direct) {
      const word = wordOf(textOf(message.content));
      if (word === 'stop') await stop(trx, instance, message, words.confirmation);
      if (word === 'start') await start(trx, instance, message);
    }
  }

  async function remember(trx: Knex.Transaction, instanceId: string, phones: string[]): Promise<void> {
    const unknown = [...new Set(phones)].filter((phone) => !known.has(`${instanceId} ${phone}`));
    if (unknown.length === 0) return;
    await numbers.heard(trx, instanceId, unknown, clock.now());
    trx.executionPromise.then(
      () => {
        if (known.size > heardKept) known.clear();
        for (const phone of unknown) known.add(`${instanceId} ${phone}`);
      },
      () => undefined,
    );
  }

  async function stop(
    trx: Knex.Transaction,
    instance: Instance,
    message: Message,
    confirmation: string | null,
  ): Promise<void> {
    const phone = message.senderPhone!;
    const source = textOf(message.content).trim();
    const { accountId } = instance;
    if (!(await store.add(trx, { accountId, phone, source, now: clock.now() }))) return;
    await announcer.enqueue(trx, [contactEvent('contact.opted_out', instance, phone, source)]);
    // Who never got a bulk message means something else by it, a menu of the account's own perhaps: no answer is due.
    if (!confirmation || !(await numbers.wroteInBulk(trx, instance.id, phone))) return;
    const answer = newOutgoing({
      id: newId(),
      instance,
      chat: phoneJid(phone),
      content: { type: 'text', text: confirmation },
      priority: priorities.interactive,
      state: 'queued',
      now: clock.now(),
    });
    await messages.insert([answer], trx);
    trx.executionPromise.then(
      () => outbox.added([answer]),
      () => undefined,
    );
  }

  async function start(trx: Knex.Transaction, instance: Instance, message: Message): Promise<void> {
    const phone = message.senderPhone!;
    if (!(await store.remove(trx, { accountId: instance.accountId, phone }))) return;
    const source = textOf(message.content).trim();
    await announcer.enqueue(trx, [contactEvent('contact.opted_in', instance, phone, source)]);
  }

  function phonesOf({ numbers: given, country }: { numbers: string[]; country?: string | null }): string[] {
    return given.map((number) => {
      const phone = parsePhone(number, country ?? deps.defaultCountry);
      if (!phone)
        throw new GatewayError('invalid_number', `${number} is not a valid phone number`, { details: { number } });
      return phone;
    });
  }

  return {
    heard,

    async list(caller, { after, limit }) {
      const accountId = accountOf(caller);
      return await store.list({ accountId, after: after ?? null, limit });
    },

    async add(caller, input) {
      const accountId = accountOf(caller);
      const phones = phonesOf(input);
      const now = clock.now();
      await database.transaction(async (trx) => {
        for (const phone of phones) await store.add(trx, { accountId, phone, source: 'entered', now });
        await audit.record(caller, { action: 'opt_outs.added', changes: { phoneNumbers: { to: noted(phones) } } }, trx);
      });
      return phones;
    },

    async remove(caller, input) {
      const accountId = accountOf(caller);
      const phones = phonesOf(input);
      await database.transaction(async (trx) => {
        for (const phone of phones) await store.remove(trx, { accountId, phone });
        await audit.record(
          caller,
          { action: 'opt_outs.removed', changes: { phoneNumbers: { from: noted(phones) } } },
          trx,
        );
      });
      return phones;
    },

    words: async ({ accountId }) => (await accountWords(accountId)).words,

    async setWords(caller, words) {
      const accountId = accountOf(caller);
      if (words) checkWords(words);
      try {
        await database.transaction(async (trx) => {
          const before = (await store.words(accountId, trx)) ?? defaultOptOutWords;
          const told = changesBetween({ ...before }, { ...(words ?? defaultOptOutWords) });
          await store.setWords(accountId, words, trx);
          await audit.record(caller, { action: 'opt_out_words.changed', changes: told }, trx);
        });
      } finally {
        changes += 1;
        wordsOf.delete(accountId);
      }
      return words ?? defaultOptOutWords;
    },
  };
}

/** Opt-outs hold for every number of the account, so a token of one number has no say in them. @throws GatewayError forbidden */
function accountOf({ accountId, token }: Caller): string {
  if (token.instanceId)
    throw new GatewayError('forbidden', 'This token is bound to one instance: opt-outs belong to the whole account');
  return accountId;
}

/** Returns as many of the phones as the audit log names; the rest is a count. */
function noted(phones: string[]): string[] {
  return phones.length <= notedPhones
    ? phones
    : [...phones.slice(0, notedPhones), `and ${phones.length - notedPhones} more`];
}

/** @throws GatewayError invalid_input */
function checkWords(words: OptOutWords): void {
  for (const list of ['stop', 'start'] as const) {
    const bad = words[list].find((word) => word.trim() === '' || word.length > longestWord);
    const problem =
      words[list].length > mostWords
        ? `holds more than ${mostWords} words`
        : bad !== undefined
          ? `holds an empty word or one of more than ${longestWord} characters`
          : null;
    if (problem) throw new GatewayError('invalid_input', `${list} ${problem}`, { details: { [list]: problem } });
  }
}

function contactEvent(
  type: 'contact.opted_out' | 'contact.opted_in',
  { accountId, id }: Instance,
  phone: string,
  source: string,
): NewEvent {
  return { accountId, instanceId: id, type, payload: { phone, source }, orderKey: phoneJid(phone) };
}
