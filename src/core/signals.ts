import type { Logger } from 'pino';
import { reasonOf } from '../model/errors.ts';
import type { EventPayloads, EventType, NewEvent } from '../model/events.ts';
import { type Jid, jidPhone, jidServer } from '../model/jid.ts';
import type { Database } from '../store/database.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { LidStore } from '../store/lids.ts';
import type { Signal } from '../whatsapp/client.ts';
import type { Announcer } from './announcer.ts';

/** Takes in what goes on beside messages: typing, presence, calls, pictures. What no receiver wants costs no row and no transaction. */
export interface Signals {
  /** `dropped`: how many more there were than the page has told. */
  take(instanceId: string, told: { signals: Signal[]; dropped: number }): void;
  /** Resolves when everything taken so far is written. */
  settled(): Promise<void>;
}

interface SignalDeps {
  database: Database;
  instances: Pick<InstanceStore, 'byId'>;
  lids: Pick<LidStore, 'phones'>;
  announcer: Announcer;
  /** Tells whether some receiver wants such an event. */
  wanted(event: { accountId: string; instanceId: string; type: EventType }): Promise<boolean>;
  log: Logger;
}

/** Events that fit no queue any more: a stuck database must not fill the memory with who types what. */
const mostWaiting = 2_000;
/** WhatsApp tells of a call more than once; so many calls are remembered for each instance. */
const rememberedCalls = 200;

/** Returns the taker of signals over all instances. */
export function createSignals({ database, instances, lids, announcer, wanted, log }: SignalDeps): Signals {
  const accounts = new Map<string, string>();
  const calls = new Map<string, Set<string>>();
  let waiting = 0;
  let work: Promise<void> = Promise.resolve();

  function take(instanceId: string, { signals, dropped }: { signals: Signal[]; dropped: number }): void {
    const tooMany = waiting + signals.length > mostWaiting;
    const count = dropped + (tooMany ? signals.length : 0);
    if (count > 0) log.warn({ instance: instanceId, count }, 'signals were dropped: too many at once');
    if (tooMany) return;
    waiting += signals.length;
    work = work
      .then(() => write(instanceId, signals))
      .catch((error: unknown) =>
        log.error({ instance: instanceId, error: reasonOf(error) }, 'signals could not be written'),
      )
      .finally(() => (waiting -= signals.length));
  }

  async function write(instanceId: string, signals: readonly Signal[]): Promise<void> {
    const accountId = await accountOf(instanceId);
    if (accountId === null) return;
    const fresh = signals.filter((signal) => !isKnownCall(instanceId, signal));
    const told = fresh.map((signal) => eventOf({ accountId, instanceId }, signal));
    // Asked once for each type: a flood of signals is hundreds of a few types.
    const wants = new Set<EventType>();
    for (const type of new Set(told.map((event) => event.type)))
      if (await wanted({ accountId, instanceId, type })) wants.add(type);
    const events = told.filter((event) => wants.has(event.type));
    if (events.length === 0) return;
    await addPhones(events);
    await database.transaction((trx) => announcer.enqueue(trx, events));
  }

  async function accountOf(instanceId: string): Promise<string | null> {
    const known = accounts.get(instanceId);
    if (known !== undefined) return known;
    const instance = await instances.byId(instanceId);
    if (instance) accounts.set(instanceId, instance.accountId);
    return instance?.accountId ?? null;
  }

  function isKnownCall(instanceId: string, signal: Signal): boolean {
    if (signal.type !== 'call_offered' && signal.type !== 'call_ended') return false;
    const known = calls.get(instanceId) ?? new Set();
    const key = `${signal.type} ${signal.callId}`;
    if (known.has(key)) return true;
    known.add(key);
    if (known.size > rememberedCalls) known.delete(known.values().next().value!);
    calls.set(instanceId, known);
    return false;
  }

  /** The page may not know the phone behind a LID that the gateway has met before. */
  async function addPhones(events: NewEvent[]): Promise<void> {
    const payloads = events.flatMap(({ payload }) =>
      'senderPhone' in payload && 'sender' in payload && payload.senderPhone === null && payload.sender
        ? [payload]
        : [],
    );
    const unknown = payloads.map(({ sender }) => sender as Jid).filter((sender) => jidServer(sender) === 'lid');
    const phones = await lids.phones([...new Set(unknown)]);
    for (const payload of payloads) payload.senderPhone = phones.get(payload.sender as Jid) ?? null;
  }

  async function settled(): Promise<void> {
    await work;
  }

  return { take, settled };
}

/** Events of a kind keep their order within a chat; none holds up that chat's messages when a receiver fails. */
function eventOf(scope: { accountId: string; instanceId: string }, signal: Signal): NewEvent {
  const event = <T extends EventType>(type: T, orderKey: string, payload: EventPayloads[T]): NewEvent<T> => ({
    ...scope,
    type,
    orderKey,
    payload,
  });
  if (signal.type === 'offline_sync') {
    const { type: _type, ...payload } = signal;
    return event('instance.offline_sync', scope.instanceId, payload);
  }
  if (signal.type === 'picture') {
    const { type: _type, ...payload } = signal;
    return event('contact.picture', `picture ${signal.chat}`, { ...payload, phone: jidPhone(signal.chat) });
  }
  if (signal.type === 'typing') {
    const { type: _type, ...payload } = signal;
    return event('contact.typing', `typing ${signal.chat}`, payload);
  }
  if (signal.type === 'presence') {
    const { type: _type, ...payload } = signal;
    return event('contact.presence', `presence ${signal.sender}`, payload);
  }
  const { type: _type, ...payload } = signal;
  return 'offeredAt' in payload
    ? event('call.offered', `call ${payload.sender}`, payload)
    : event('call.ended', `call ${payload.sender}`, payload);
}
