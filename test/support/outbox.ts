import { pino } from 'pino';
import { createOutbox, type Outbox } from '../../src/core/outbox.ts';
import type { Instance } from '../../src/model/instance.ts';
import type { Database } from '../../src/store/database.ts';
import { createMessageDueStore } from '../../src/store/message-due.ts';
import { createMessageStore } from '../../src/store/messages.ts';
import { announcerInto } from './announcer.ts';
import { createScriptedClient, type ScriptedClient } from './client.ts';
import { createTestClock } from './clock.ts';
import { forgetfulJournal } from './journal.ts';

/** Returns an outbox as it is after a start on this database, and a page of the instance that is not ready yet. */
export function startOutbox(
  database: Database,
  instance: Instance,
  parts: Partial<Parameters<typeof createOutbox>[0]> = {},
): { outbox: Outbox; client: ScriptedClient } {
  const outbox = createOutbox({
    database,
    messages: createMessageStore(database),
    due: createMessageDueStore(database),
    journal: forgetfulJournal,
    idempotency: { forget: () => Promise.resolve() },
    announcer: announcerInto([]),
    readBase64: async () => 'QUJD',
    clock: createTestClock(),
    log: pino({ level: 'silent' }),
    retryDelayMs: 20,
    ...parts,
  });
  return { outbox, client: createScriptedClient((outcomes) => outbox.onSent(instance.id, outcomes)) };
}
