import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import { encodeTime, monotonicFactory } from 'ulid';

/** Returns a maker of ULIDs: 26 characters that sort by time, strictly increasing within one process. */
export function createIdSource(now: () => number): () => string {
  const next = monotonicFactory(createRandom());
  return () => next(now());
}

/** Tells whether the text is a ULID as `createIdSource` makes them. */
export function isUlid(text: string): boolean {
  return /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text);
}

/** Returns the id that sorts before every ULID made at this time (Unix ms) or later. */
export function idFloor(at: number): string {
  return encodeTime(Math.max(0, Math.floor(at)), 10).padEnd(26, '0');
}

/**
 * Returns an id that sorts among ULIDs as if it were made at `at` (Unix ms), and among those of the same `at` by when they were
 * really made. `id` is a fresh ULID: its time and its last 30 random bits are kept.
 */
export function idAt(at: number, id: string): string {
  return encodeTime(at, 10) + id.slice(0, 10) + id.slice(-6);
}

/** Returns numbers in [0, 1) from random bytes drawn 4 KiB at a time: a ULID asks for 16, and each draw is a system call. */
function createRandom(): () => number {
  const pool = new Uint8Array(4096);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += 1;
    return pool[used - 1]! / 256;
  };
}

/**
 * Returns a WhatsApp message id as WhatsApp Web makes them: `3EB0` and the hex of the first 9 bytes of
 * SHA-256(unix time, own id, 16 random bytes), 22 characters.
 * Source: WAWebMsgKeyNewId of WhatsApp Web; any such string is taken by its MsgKey.
 */
export function newWaId(input: { nowMs: number; ownId: string }): string {
  const hash = createHash('sha256');
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(Math.floor(input.nowMs / 1000)));
  hash.update(time).update(input.ownId).update(randomBytes(16));
  return `3EB0${hash.digest('hex').slice(0, 18).toUpperCase()}`;
}

/** Returns the user-visible id of an instance, `INST-01-0000142`: the month it was made in (UTC) and its number. */
export function instanceId(number: number, nowMs: number): string {
  const month = String(new Date(nowMs).getUTCMonth() + 1).padStart(2, '0');
  return `INST-${month}-${String(number).padStart(7, '0')}`;
}

/** Returns the user-visible id of an account, `CUST-0143`. */
export function accountId(number: number): string {
  return `CUST-${String(number).padStart(4, '0')}`;
}
