import { join } from 'node:path';
import { reasonOf } from '../model/errors.ts';
import type { Instance, InstanceChange } from '../model/instance.ts';
import { withTimeout } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { FailedMessage, InstanceHistoryStore } from '../store/instance-history.ts';
import type { QueueStat, StatsStore } from '../store/stats.ts';
import type { BrowserMemory, WhatsAppClient } from '../whatsapp/client.ts';
import { sizeOf } from './disk.ts';
import type { Instances } from './instances.ts';

/** Everything that helps to see why an instance does not work. What could not be had in time is null. */
export interface Diagnosis {
  instance: Instance;
  /** Newest first. */
  history: InstanceChange[];
  queue: QueueStat | null;
  /** Newest first. */
  failedMessages: FailedMessage[];
  /** What the browser's profile takes on disk. */
  profileBytes: number | null;
  /** Null when no browser runs. */
  browser: BrowserReport | null;
}

/** What is seen of an instance's browser from outside. */
export interface BrowserReport {
  /** `HeadlessChrome/156.0.7000.0` */
  version: string | null;
  /** Of the whole process tree. */
  memory: BrowserMemory | null;
  /** The state of the page's connection, or why it does not tell. */
  page: { connection: string; answeredInMs: number } | { error: string };
  /** PNG. */
  screenshot: Buffer | null;
}

/** Looks into instances. */
export interface Diagnoses {
  /** Looks into one; takes 10 s at most, however dead the page is. @throws GatewayError instance_not_found */
  diagnose(caller: Caller, id: string, wants: { screenshot: boolean }): Promise<Diagnosis>;
}

interface DiagnosesDeps {
  instances: Pick<Instances, 'get'>;
  history: InstanceHistoryStore;
  stats: Pick<StatsStore, 'queues'>;
  /** Returns the client of an instance that has a browser, whatever its state: it may not answer. */
  anyClient(instanceId: string): WhatsAppClient | null;
  profilesDir: string;
}

const pageTimeoutMs = 3_000;
const screenshotTimeoutMs = 8_000;
const diskTimeoutMs = 5_000;
const historyLength = 30;
const failuresLength = 10;

/** Returns what looks into instances. */
export function createDiagnoses({ instances, history, stats, anyClient, profilesDir }: DiagnosesDeps): Diagnoses {
  return {
    async diagnose(caller, id, wants) {
      const instance = await instances.get(caller, id);
      const client = anyClient(id);
      const [changes, queues, failedMessages, profileBytes, browser] = await Promise.all([
        history.list({ instanceId: id, before: null, limit: historyLength }),
        stats.queues([id]),
        history.failures(id, failuresLength),
        orNull(sizeOf(join(profilesDir, id)), diskTimeoutMs),
        client && look(client, wants.screenshot),
      ]);
      return { instance, history: changes, queue: queues[0] ?? null, failedMessages, profileBytes, browser };
    },
  };
}

/** Every question has its own time: a frozen page must not hide what the browser still tells. */
async function look(client: WhatsAppClient, wantsScreenshot: boolean): Promise<BrowserReport> {
  const [version, memory, page, screenshot] = await Promise.all([
    orNull(client.browserVersion(), pageTimeoutMs),
    orNull(client.memory(), pageTimeoutMs),
    askPage(client),
    wantsScreenshot ? orNull(client.screenshot(screenshotTimeoutMs), screenshotTimeoutMs) : null,
  ]);
  return { version, memory, page, screenshot };
}

async function askPage(client: WhatsAppClient): Promise<BrowserReport['page']> {
  const startedAt = performance.now();
  try {
    const connection = await client.probe(pageTimeoutMs);
    return { connection, answeredInMs: Math.round(performance.now() - startedAt) };
  } catch (error) {
    return { error: reasonOf(error) };
  }
}

function orNull<T>(work: Promise<T>, timeoutMs: number): Promise<T | null> {
  return withTimeout(work, timeoutMs, 'late').catch(() => null);
}
