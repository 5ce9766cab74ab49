import { afterEach, beforeEach, expect, it } from 'vitest';
import { createIdempotency } from '../../src/core/idempotency.ts';
import { createMessages } from '../../src/core/messages.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import type { Instance } from '../../src/model/instance.ts';
import { priorities } from '../../src/model/message.ts';
import { systemClock } from '../../src/model/time.ts';
import { accountCaller } from '../../src/model/token.ts';
import { createIdempotencyStore } from '../../src/store/idempotency.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createMessageStore } from '../../src/store/messages.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { buildInstance, newId } from '../support/factories.ts';

forEachDatabase((open) => {
  let opened: TestDatabase;
  let instance: Instance;

  beforeEach(async () => {
    opened = await open();
    instance = await buildInstance(opened.database);
  });
  afterEach(() => opened.drop());

  /** What sends, and the ids of which somebody waits for the result. */
  function build() {
    const { database } = opened;
    const waitedFor: string[] = [];
    let isFirstLook = true;
    const { answered, ...rest } = createIdempotency({ store: createIdempotencyStore(database), clock: systemClock() });
    const messages = createMessages({
      database,
      messages: createMessageStore(database),
      instances: createInstanceStore(database),
      idempotency: {
        ...rest,
        // Nothing is found by who looks at the same time as the other.
        async answered(...request) {
          const found = isFirstLook ? null : await answered(...request);
          isFirstLook = false;
          return found;
        },
      },
      outbox: {
        admit: () => 'queued',
        added: () => undefined,
        writing: () => ({ isTaken: () => false, end: () => undefined }),
        flush: async () => undefined,
        isWithdrawn: () => false,
        async settled(id) {
          waitedFor.push(id);
          return null;
        },
      } as Partial<Outbox> as Outbox,
      features: { require: async () => undefined, missing: () => null },
      keepMedia: async () => undefined,
      prepareContent: async (_, input) => input as never,
      defaultCountry: 'TZ',
      clock: systemClock(),
      newId,
    });
    const send = () =>
      messages.send(accountCaller(instance.accountId), {
        instance,
        to: '0757123456',
        content: { type: 'text', text: 'once' },
        priority: priorities.interactive,
        waitMs: 15_000,
        queueUnlinked: true,
        idempotency: { key: 'order-4711', requestHash: 'the same' },
      });
    return { send, waitedFor };
  }

  it('tells a request that came at the same time as the first of its message, which may have its result already', async () => {
    const first = await build().send();
    const { send, waitedFor } = build();
    expect(await send()).toMatchObject({ id: first.id, waId: first.waId });
    expect(waitedFor).toEqual([]);
  });
});
