import { pino } from 'pino';
import { createMedia, type Media } from '../../src/core/media.ts';
import { createMediaFiles } from '../../src/core/media/files.ts';
import { createSecrets } from '../../src/core/secrets.ts';
import { createWebhooks, type WebhookDeps, type Webhooks } from '../../src/core/webhooks.ts';
import type { Content } from '../../src/model/content.ts';
import type { NewEvent } from '../../src/model/events.ts';
import { createIdSource } from '../../src/model/ids.ts';
import { phoneJid } from '../../src/model/jid.ts';
import type { Message } from '../../src/model/message.ts';
import { systemClock } from '../../src/model/time.ts';
import type { WebhookDialect } from '../../src/model/webhook.ts';
import { createOutbound, type Outbound } from '../../src/outbound.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import type { Database } from '../../src/store/database.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createMediaStore } from '../../src/store/media.ts';
import { createMessageStore } from '../../src/store/messages.ts';
import { patienceMs } from './clock.ts';

/** Waiting times that suit a test: the shape of the real schedule, a thousand times faster. */
export const fastPolicy = {
  retryDelaysMs: [40, 80, 160, 300, 300, 300, 300],
  throttledDelayMs: 60,
  breakerOpenMs: 300,
  breakerMaxOpenMs: 600,
};

/** A dialect that tells what it was given. */
const plainDialect: WebhookDialect = {
  render: {
    'message.received': (event, { message, instance, accountId, media }) => ({
      type: event.type,
      customer: accountId,
      instance: instance?.id,
      chat: message?.chat,
      text: message?.content.type === 'text' ? message.content.text : undefined,
      ...(media === undefined ? {} : { media }),
    }),
    'webhook.disabled': (event) => ({
      type: event.type,
      endpoint: event.payload.endpointId,
      reason: event.payload.reason,
    }),
    'instance.status': (event) => ({ type: event.type, state: event.payload.state }),
  },
  headers: ({ secret, body }) => (secret ? { 'x-plain-secret': secret, 'x-plain-length': String(body.length) } : {}),
};

/** Webhooks over a real database and a real network, with messages made as needed. */
export interface WebhookBench {
  webhooks: Webhooks;
  accountId: string;
  instanceId: string;
  media: Media;
  outbound: Outbound;
  /** Writes messages and their events as the inbox does; `chat` numbers the chats. */
  receive(messages: readonly { chat?: number; text?: string; content?: Content }[]): Promise<Message[]>;
  /** Returns how many deliveries are in each state. */
  states(): Promise<Record<string, number>>;
  /** Resolves when no delivery waits. */
  settled(timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** Builds webhooks on a database; loopback is allowed. */
export async function buildWebhooks(
  database: Database,
  dataDir: string,
  patch: Partial<WebhookDeps> = {},
): Promise<WebhookBench> {
  const clock = systemClock();
  const newId = createIdSource(clock.now);
  const messages = createMessageStore(database);
  const instances = createInstanceStore(database);
  const secrets = createSecrets('a secret key of at least 32 characters');
  const outbound = createOutbound({ allowCidrs: ['127.0.0.0/8'] });
  const media = createMedia({
    store: createMediaStore(database),
    files: createMediaFiles({ dataDir, newName: newId }),
    outbound,
    secrets,
    clock,
    newId,
    publicUrl: 'http://gateway.test',
    maxBytes: 1024 * 1024,
    retentionDays: 30,
  });
  const webhooks = createWebhooks({
    database,
    messages,
    instances,
    dialects: () => ({ plain: plainDialect }),
    outbound,
    media,
    secrets,
    clock,
    random: () => 0.5,
    newId,
    log: pino({ level: process.env.TEST_LOG ?? 'silent' }),
    userAgent: 'WapBridge-Gateway/0.0.0',
    timeoutMs: 30_000,
    inlineMaxBytes: 1000,
    bodyMaxBytes: 1024 * 1024,
    retentionDays: 14,
    ...patch,
    // Whoever is not woken sleeps on: the usual look around would hide it.
    policy: { scanMs: 3_600_000, ...(patch.policy ?? fastPolicy) },
  });
  const account = await createAccountStore(database).first(clock.now());
  const [known] = await instances.list(account.id);
  const instance =
    known ?? (await instances.create({ accountId: account.id, title: null, defaultCountry: null, now: clock.now() }));

  async function states(): Promise<Record<string, number>> {
    const rows = (await database.knex('webhook_deliveries').groupBy('state').select('state').count('* as count')) as {
      state: string;
      count: number;
    }[];
    return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
  }

  return {
    webhooks,
    accountId: account.id,
    instanceId: instance.id,
    media,
    outbound,
    async receive(inputs) {
      const rows = inputs.map(({ chat = 1, text = 'hello', content }): Message => {
        const id = newId();
        const jid = phoneJid(String(255_700_000_000 + chat));
        return {
          id,
          accountId: account.id,
          instanceId: instance.id,
          direction: 'in',
          waId: `3EB0${id}`,
          waKey: `false_${jid}_3EB0${id}`,
          chat: jid,
          sender: jid,
          senderPhone: null,
          senderName: 'Asha',
          content: content ?? { type: 'text', text },
          state: 'received',
          reason: null,
          ack: 0,
          priority: 1,
          attempts: 0,
          expiresAt: null,
          sendAt: null,
          createdAt: clock.now(),
          happenedAt: clock.now(),
          ackedAt: null,
        };
      });
      const events = rows.map((row): NewEvent<'message.received'> => ({
        accountId: row.accountId,
        instanceId: row.instanceId,
        type: 'message.received',
        payload: { messageId: row.id },
        orderKey: row.chat,
      }));
      await database.transaction(async (trx) => {
        for (let at = 0; at < rows.length; at += 100) await messages.insert(rows.slice(at, at + 100), trx);
        await webhooks.enqueue(trx, events);
      });
      return rows;
    },
    states,
    async settled(timeoutMs = patienceMs) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const { pending = 0, retry = 0 } = await states();
        if (pending + retry === 0) return;
        if (Date.now() > deadline) throw new Error(`still waiting: ${JSON.stringify(await states())}`);
        await clock.sleep(20);
      }
    },
    async stop() {
      await webhooks.stop();
      await outbound.close();
    },
  };
}
