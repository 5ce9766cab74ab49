import { afterEach, beforeEach } from 'vitest';
import type { TestDatabase } from './database.ts';
import { startGateway, type GatewayOptions, type TestGateway } from './gateway.ts';
import { type Receiver, startReceiver } from './receiver.ts';

/** A gateway on a database of its own, and a receiver for its webhooks. */
export interface Bed {
  db: TestDatabase;
  gateway: TestGateway;
  receiver: Receiver;
  close(): Promise<void>;
}

/** Starts all three; `env` adds to the gateway's configuration. */
export async function openBed(
  open: () => Promise<TestDatabase>,
  env: Record<string, string> = {},
  options: GatewayOptions = {},
): Promise<Bed> {
  const db = await open();
  const gateway = await startGateway(db.url, env, options);
  const receiver = await startReceiver();
  return {
    db,
    gateway,
    receiver,
    async close() {
      await gateway.stop();
      await receiver.close();
      await db.drop();
    },
  };
}

/** Opens a bed before each test of the block that it is called in, and closes it after. */
export function useBed(open: () => Promise<TestDatabase>): Omit<Bed, 'close'> {
  let bed: Bed | undefined;
  beforeEach(async () => void (bed = await openBed(open)));
  afterEach(() => bed?.close());

  return {
    get db() {
      return bed!.db;
    },
    get gateway() {
      return bed!.gateway;
    },
    get receiver() {
      return bed!.receiver;
    },
  };
}
