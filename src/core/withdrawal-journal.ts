import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { GatewayError, reasonOf, type ServerConnection } from '../model/errors.ts';
import type { DueMessage } from '../store/message-due.ts';
import { syncFolder } from './disk.ts';
import { createExclusive } from './exclusive.ts';
import { createGroupCommit } from './group-commit.ts';
import type { RecordedAnswer } from './idempotency.ts';

/** A message that the database may have although its caller was told that it is refused. */
export interface WithdrawnMessage extends Refusal {
  kind: 'message';
  due: readonly DueMessage[];
}

/** A new campaign that it may have. */
export interface WithdrawnCampaign extends Refusal {
  kind: 'campaign';
  /** Unix ms: the number of a campaign that was taken back is given to another. */
  createdAt: number;
}

interface Refusal {
  id: string;
  /** What its Idempotency-Key, if it came with one, would be answered. */
  recorded: RecordedAnswer | null;
  /** Where its commit was lost. */
  connection: ServerConnection;
}

type Withdrawal = WithdrawnMessage | WithdrawnCampaign;

/** Remembers on disk what is to be taken back from a database that cannot be asked: the gateway may end before it can. */
export interface WithdrawalJournal {
  /** What a gateway that ended has left to do. */
  readonly left: readonly Withdrawal[];
  /** Resolves when it is known also after a power cut. @throws GatewayError outcome_unknown when it cannot be written */
  note(withdrawal: Withdrawal): Promise<void>;
  /** Says that these are taken back. */
  settle(withdrawals: readonly Pick<Withdrawal, 'id'>[]): void;
  /** Leaves the file as it is from now on. */
  close(): void;
}

/**
 * Opens `DATA_DIR/withdrawals.jsonl`, one JSON object a line. It only grows, and is removed as soon as everything in it is taken back:
 * to take a thing back again does nothing. A line that was torn by the end of the gateway is none, for nobody was answered.
 * @throws Error when the file is there and cannot be read
 */
export async function openWithdrawalJournal({
  dataDir,
  log,
}: {
  dataDir: string;
  log: Logger;
}): Promise<WithdrawalJournal> {
  const path = join(dataDir, 'withdrawals.jsonl');
  const left = await readJournal(path, log);
  const unsettled = new Set(left.map(({ id }) => id));
  const exclusive = createExclusive();
  const lines = createGroupCommit<string>((group) =>
    exclusive(path, async () => {
      await append(group);
      // The database may have been back sooner than the disk.
      await removeIfSettled();
    }),
  );
  let closed = false;

  async function append(group: string[]): Promise<void> {
    const file = await open(path, 'a', 0o600);
    try {
      // Whatever an append that failed has left stays on a line of its own.
      await file.appendFile(`\n${group.join('\n')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(dataDir);
  }

  async function removeIfSettled(): Promise<void> {
    if (closed || unsettled.size > 0) return;
    await rm(path, { force: true }).catch((error: unknown) =>
      log.warn({ error: reasonOf(error) }, 'the journal of withdrawals could not be removed'),
    );
  }

  return {
    left,

    async note(withdrawal) {
      unsettled.add(withdrawal.id);
      try {
        await lines.add(JSON.stringify(withdrawal));
      } catch (error) {
        log.error({ id: withdrawal.id, error: reasonOf(error) }, 'a withdrawal could not be written down');
        throw unknownOutcome(error);
      }
    },

    settle(withdrawals) {
      for (const { id } of withdrawals) unsettled.delete(id);
      // Nobody waits for it: a file that stays is read by the next start, which finds nothing to do.
      void exclusive(path, removeIfSettled);
    },

    close() {
      closed = true;
    },
  };
}

async function readJournal(path: string, log: Logger): Promise<Withdrawal[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new Error(`${path} cannot be read, and says what must not be sent: ${reasonOf(error)}`, { cause: error });
  });
  const lines = text.split('\n').filter(Boolean);
  const withdrawals = lines.flatMap(parse);
  if (lines.length > 0)
    log.warn(
      { count: withdrawals.length, torn: lines.length - withdrawals.length },
      'the last gateway has left refused messages or campaigns to be taken back',
    );
  return withdrawals;
}

function parse(line: string): Withdrawal[] {
  try {
    return [JSON.parse(line) as Withdrawal];
  } catch {
    return [];
  }
}

function unknownOutcome(error: unknown): GatewayError {
  const { code = 'error' } = error as NodeJS.ErrnoException;
  return new GatewayError(
    'outcome_unknown',
    `The database was lost while it took this, and the gateway cannot write to DATA_DIR either (${code}): it is not known whether it goes out. ` +
      'Look for it before you ask again, or ask with the same Idempotency-Key',
    { cause: error },
  );
}
