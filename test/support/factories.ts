import { newOutgoing } from '../../src/core/outgoing.ts';
import { healthy } from '../../src/core/webhook/schedule.ts';
import { createIdSource, newWaId } from '../../src/model/ids.ts';
import type { Instance } from '../../src/model/instance.ts';
import { parseJid } from '../../src/model/jid.ts';
import { type Message, priorities } from '../../src/model/message.ts';
import type { ReceivedMessage } from '../../src/whatsapp/client.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import type { Database } from '../../src/store/database.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import type { StoredEndpoint } from '../../src/store/webhooks.ts';

/** Returns a maker of ids for tests. */
export const newId = createIdSource(() => Date.now());

/** Makes an account and an instance that is linked to +255 757 000 001. */
export async function buildInstance(database: Database, patch: Partial<Instance> = {}): Promise<Instance> {
  const account = await createAccountStore(database).first(Date.now());
  const store = createInstanceStore(database);
  const instance = await store.create({ accountId: account.id, title: null, defaultCountry: 'TZ', now: Date.now() });
  const full = { ...instance, phone: '255757000001', state: 'ready' as const, ...patch };
  await store.update(instance.id, { phone: full.phone, state: full.state, lastEventAt: full.lastEventAt });
  return full;
}

/** Returns an outgoing text message that is not stored yet. */
export function buildMessage(instance: Instance, patch: Partial<Message> = {}): Message {
  const chat = patch.chat ?? parseJid('255757123456@c.us')!;
  const content = { type: 'text' as const, text: 'hello' };
  const priority = priorities.interactive;
  return {
    ...newOutgoing({ id: newId(), instance, chat, content, priority, state: 'queued', now: Date.now() }),
    ...patch,
  };
}

/** Returns a received text message as a client reports it. */
export function buildReceived(patch: Partial<ReceivedMessage> = {}): ReceivedMessage {
  const sender = patch.sender ?? parseJid('255757123456@c.us')!;
  const waId = patch.waId ?? newWaId({ nowMs: Date.now(), ownId: 'them' });
  return {
    waId,
    waKey: `false_${sender}_${waId}`,
    chat: sender,
    sender,
    senderPhone: '255757123456',
    senderName: 'Asha',
    content: { type: 'text', text: 'Sawa' },
    hasMedia: false,
    happenedAt: Date.now(),
    ...patch,
  };
}

/** Returns a webhook endpoint without secrets, for received messages of the whole account, that is not stored yet. */
export function buildEndpoint(patch: Partial<StoredEndpoint> = {}): StoredEndpoint {
  return {
    id: newId(),
    accountId: 'CUST-0001',
    instanceId: null,
    dialect: 'wapbridge',
    url: 'http://127.0.0.1:1/',
    title: null,
    events: ['message.received'],
    sealedSecret: null,
    oldSecrets: [],
    hasSecret: false,
    headerNames: [],
    sealedHeaders: null,
    isDefault: false,
    isOrdered: false,
    retrySeconds: null,
    enabled: true,
    disabledReason: null,
    ...healthy,
    createdAt: Date.now(),
    ...patch,
  };
}
