import type { Logger } from 'pino';
import { type ActionCode, actionTable } from '../../model/action.ts';
import { reasonOf } from '../../model/errors.ts';
import type { Instance, InstanceState } from '../../model/instance.ts';
import type { InstancePatch } from '../../store/instances.ts';
import type { ChangeState } from '../instance-states.ts';
import { type Happening, nextState } from './machine.ts';

/** What accompanies a happening. */
interface Detail {
  reason?: string | null;
  code?: ActionCode;
  patch?: InstancePatch;
}

/** What the supervisor knows of an instance from life to life: as it is in the database, one write behind at most. */
export interface Standing {
  readonly state: InstanceState;
  /** When it came into this state, by the session's time. */
  readonly since: number;
  /** The sentence that goes with the state. */
  readonly reason: string | null;
  readonly actionCode: ActionCode | null;
  readonly attempts: number;
  readonly nextAttemptAt: number | null;
  readonly linkedAt: number | null;
  readonly lastReadyAt: number | null;
  /** Moves the state on; resolves when it is written. False when it means nothing in the present state. */
  happened(happening: Happening, detail?: Detail): Promise<boolean>;
  /** Changes what stands beside the state. */
  note(patch: InstancePatch): Promise<void>;
  /** Resolves when everything is written, or could not be. */
  written(): Promise<void>;
  /** Writes nothing more by itself: the session is over, and others may write. */
  end(): void;
}

/** Returns the standing of an instance, which starts as the row says. A write that fails is logged and made again. `time` never goes back. */
export function createStanding(input: {
  instance: Instance;
  changeState: ChangeState;
  retryMs: number;
  time: () => number;
  log: Logger;
}): Standing {
  const { instance, changeState, retryMs, time, log } = input;
  const now = {
    state: instance.state,
    reason: instance.reason,
    actionCode: instance.actionCode,
    attempts: instance.attempts,
    nextAttemptAt: instance.nextAttemptAt,
    linkedAt: instance.linkedAt,
    lastReadyAt: instance.lastReadyAt,
  };
  let since = time();
  let writes: Promise<void> = Promise.resolve();
  /** What of the row is not known to be written. */
  let unwritten: InstancePatch = {};
  let retrying: NodeJS.Timeout | null = null;
  let isOver = false;

  function write(patch: InstancePatch): Promise<void> {
    if (patch.state !== undefined && patch.state !== now.state) since = time();
    Object.assign(now, patch);
    const whole = { ...unwritten, ...patch, ...now };
    unwritten = whole;
    writes = writes.then(async () => {
      try {
        await changeState(instance.id, whole);
        if (unwritten === whole) unwritten = {};
      } catch (error) {
        log.error({ instance: instance.id, error: reasonOf(error) }, 'a state could not be written');
        retry();
      }
    });
    return writes;
  }

  /** The database is away: without this the row would stay as it is until the next change, which may be days. */
  function retry(): void {
    if (retrying || isOver) return;
    retrying = setTimeout(() => {
      retrying = null;
      void write({});
    }, retryMs);
    retrying.unref();
  }

  async function happened(happening: Happening, { reason, code, patch = {} }: Detail = {}): Promise<boolean> {
    const state = nextState(now.state, happening);
    if (state === null) return false;
    await write({
      ...patch,
      state,
      reason: reason ?? (code ? actionTable[code] : null),
      actionCode: code ?? null,
    });
    return true;
  }

  return {
    get state() {
      return now.state;
    },
    get since() {
      return since;
    },
    get reason() {
      return now.reason;
    },
    get actionCode() {
      return now.actionCode;
    },
    get attempts() {
      return now.attempts;
    },
    get nextAttemptAt() {
      return now.nextAttemptAt;
    },
    get linkedAt() {
      return now.linkedAt;
    },
    get lastReadyAt() {
      return now.lastReadyAt;
    },
    happened,
    note: write,
    written: () => writes,
    end() {
      isOver = true;
      if (retrying) clearTimeout(retrying);
    },
  };
}
