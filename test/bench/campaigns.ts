import { createReadStream } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Campaign } from '../../src/model/campaign.ts';
import type { Instance } from '../../src/model/instance.ts';
import { type CampaignBed, createCampaignBed, noPacing } from '../support/campaigns.ts';
import { runSimulatedClock } from '../support/campaign-clock.ts';
import { openMysql, openSqlite, type TestDatabase } from '../support/database.ts';
import { fullScans } from '../support/explain.ts';
import { buildInstance } from '../support/factories.ts';
import { key, secret } from '../support/gateway.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';
import { printTable, quantile } from './measure.ts';
import { linkNew } from './sends.ts';

const engines = { SQLite: openSqlite, MariaDB: openMysql };
const sizes = [1_000, 100_000, 1_000_000];
const rounds = 5;
const perRound = 150;
const uploaded = 1_000_000;
const repeatEvery = 20;
const own = '255757000001';
const api = 'wap_bridge.api.campaigns';

/** What a campaign costs: each send among few and many, a large list by HTTP, its status, and the rules over a simulated year. */
export async function benchCampaigns(): Promise<void> {
  await benchClaims();
  await benchUpload();
  await benchClock();
}

// ---- the cost of a send ----

interface Rival {
  bed: CampaignBed;
  instance: Instance;
  campaign: Campaign;
  claimMs: number[];
  finishMs: number[];
}

/** Each send among few and many. */
async function benchClaims(): Promise<void> {
  const rows: (string | number)[][] = [];
  const scans: string[] = [];
  const statuses: (string | number)[][] = [];
  for (const [engine, openDatabase] of Object.entries(engines)) {
    const opened = await openDatabase();
    const clock = { now: () => Date.now(), sleep: async () => undefined };
    const rivals: Rival[] = [];
    const statusMs: number[] = [];
    for (const size of sizes) rivals.push(await createRival(opened, clock, size));
    for (const rival of rivals) for (let i = 0; i < 50; i += 1) await sendOne(opened, rival);
    for (const rival of rivals) rival.claimMs.length = rival.finishMs.length = 0;
    for (let round = 0; round < rounds; round += 1)
      for (const rival of rivals) for (let i = 0; i < perRound; i += 1) await sendOne(opened, rival);

    const { bed, campaign } = rivals.at(-1)!;
    for (let i = 0; i < 1_000; i += 1) {
      if (i % 4 === 0) await sendOne(opened, rivals.at(-1)!);
      const at = performance.now();
      await bed.campaigns.status(bed.caller, campaign.id);
      statusMs.push(performance.now() - at);
    }
    statuses.push([engine, quantile(statusMs, 0.5), quantile(statusMs, 0.99), Math.max(...statusMs)]);

    const wholeMs = (rival: Rival) => rival.claimMs.map((ms, index) => ms + rival.finishMs[index]!);
    const base = quantile(wholeMs(rivals[0]!), 0.5);
    for (const [index, rival] of rivals.entries()) {
      const whole = wholeMs(rival);
      rows.push([
        `${engine}, ${sizes[index]!.toLocaleString('en')}`,
        quantile(rival.claimMs, 0.5),
        quantile(rival.finishMs, 0.5),
        quantile(whole, 0.5),
        quantile(whole, 0.99),
        quantile(whole, 0.5) / base,
      ]);
    }
    // At the very end: libsql leaves explained statements open, and no transaction can begin after them.
    const statements = new Map<string, unknown[]>();
    opened.database.knex.on('query', ({ sql, bindings }: { sql: string; bindings: unknown[] }) =>
      statements.set(sql, bindings),
    );
    await sendOne(opened, rivals.at(-1)!);
    await bed.campaigns.status(bed.caller, campaign.id);
    opened.database.knex.removeAllListeners('query');
    scans.push(...(await fullScans(opened.database, statements)));

    for (const rival of rivals) await rival.bed.close();
    await opened.drop();
  }
  printTable(
    `Claim and finish of one send (${rounds} × ${perRound}, sizes in turn)`,
    ['', 'claim p50 ms', 'finish p50 ms', 'both p50 ms', 'both p99 ms', '× 1,000 at p50'],
    rows,
  );
  printTable(
    'Status of the campaign of 1,000,000 (1,000 times, a send before every fourth; without HTTP)',
    ['', 'p50 ms', 'p99 ms', 'worst ms'],
    statuses,
  );
  process.stdout.write(
    scans.length === 0 ? '\nNo statement of a send reads a large table as a whole.\n' : `\n${scans.join('\n')}\n`,
  );
}

async function createRival(
  opened: TestDatabase,
  clock: { now(): number; sleep(): Promise<undefined> },
  size: number,
): Promise<Rival> {
  const instance = await buildInstance(opened.database, { phone: String(255757000000 + size) });
  const bed = createCampaignBed({ database: opened.database, instance, clock });
  const message = `Hi {{name|you}}, one of ${size}`;
  const campaign = await bed.campaign([], { recipients: batches(size), message });
  return { bed, instance, campaign, claimMs: [], finishMs: [] };
}

/** Takes one recipient as the dispatcher does, and writes its first ack as the outbox does; the page takes no time. */
async function sendOne(opened: TestDatabase, rival: Rival): Promise<void> {
  const { bed, instance, campaign } = rival;
  const begunAt = performance.now();
  const claim = await bed.claims.claim({ campaign, instance, lane: 0 });
  if (claim.result !== 'claimed') throw new Error(JSON.stringify(claim));
  await opened.database.flushed();
  const claimedAt = performance.now();
  const { waId, waKey } = claim.message;
  await opened.database.transaction(async (trx) => {
    const acks = [{ waId, waKey, ack: 1 as const, state: 'sent' as const }];
    await bed.results.changed(
      trx,
      await bed.messages.applyAcks(trx, { instanceId: instance.id, acks, now: Date.now() }),
    );
  });
  rival.claimMs.push(claimedAt - begunAt);
  rival.finishMs.push(performance.now() - claimedAt);
}

function* batches(count: number): Generator<{ number: string; variables: Record<string, unknown> }[]> {
  for (let at = 0; at < count; at += 1_000)
    yield Array.from({ length: Math.min(1_000, count - at) }, (_, index) => ({
      number: String(255_700_000_000 + at + index),
      variables: { name: `Person ${at + index}` },
    }));
}

// ---- a million by HTTP, and its status while it sends ----

/** A million by HTTP, and their status. */
async function benchUpload(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'wapbridge-bench-'));
  const file = join(dir, 'body.json');
  const rows: (string | number)[][] = [];
  for (const [engine, openDatabase] of Object.entries(engines)) {
    const opened = await openDatabase();
    const gateway = await spawnGateway({
      PORT: await freePort(),
      DATA_DIR: join(dir, engine),
      DATABASE_URL: opened.url,
      LOG_LEVEL: 'warn',
    });
    try {
      const instanceId = await linkNew(gateway, own);
      await writeBody(file, instanceId);
      const before = await residentMib(gateway.pid);
      const stalls = watchStalls(gateway);
      const begunAt = performance.now();
      const answer = await upload(gateway, file);
      const seconds = (performance.now() - begunAt) / 1000;
      const slowest = await stalls();
      const peak = (await residentMib(gateway.pid)).peak;
      const { total, duplicates, campaign } = answer as { total: number; duplicates: number; campaign: string };
      if (total + duplicates !== uploaded) throw new Error(JSON.stringify(answer).slice(0, 500));
      const statusMs: number[] = [];
      const sentBefore = await sent(gateway, campaign);
      for (let i = 0; i < 1_000; i += 1) {
        const at = performance.now();
        await gateway.call(`${api}.campaign_status`, { campaign });
        statusMs.push(performance.now() - at);
      }
      const sentDuring = (await sent(gateway, campaign)) - sentBefore;
      rows.push([
        engine,
        total,
        duplicates,
        seconds,
        peak - before.now,
        slowest,
        quantile(statusMs, 0.5),
        quantile(statusMs, 0.99),
        sentDuring,
      ]);
    } finally {
      await gateway.kill('SIGTERM');
      await opened.drop();
    }
  }
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  printTable(
    `${uploaded.toLocaleString('en')} recipients by create_and_start_campaign, then campaign_status 1,000 times while it sends`,
    [
      '',
      'rows',
      'duplicates',
      'seconds',
      'RSS growth MiB',
      'slowest other call ms',
      'status p50 ms',
      'status p99 ms',
      'sends meanwhile',
    ],
    rows,
  );
}

async function sent(gateway: GatewayProcess, campaign: string): Promise<number> {
  return (await gateway.call(`${api}.campaign_status`, { campaign })).json.sent as number;
}

/** Every twentieth number is one that came before. */
async function writeBody(file: string, instanceId: string): Promise<void> {
  const handle = await open(file, 'w');
  const { dailyCap, newChatCap } = noPacing;
  const pacing = {
    median_seconds: 0,
    min_seconds: 0,
    max_seconds: 0,
    break_every_min: 0,
    break_every_max: 0,
    daily_cap: dailyCap,
    new_chat_cap: newChatCap,
    warm_up: false,
  };
  const head = { instance_id: instanceId, message: 'Hi {{name|you}}', pacing, quiet_hours: false };
  await handle.write(`${JSON.stringify(head).slice(0, -1)},"recipients":[`);
  for (let at = 0; at < uploaded; at += 10_000) {
    const rows = Array.from({ length: 10_000 }, (_, index) => {
      const number = at + index;
      const phone = 255_700_000_000 + (number % repeatEvery === 19 ? number - 1 : number);
      return JSON.stringify({ phone_number: String(phone), variables: { name: `Person ${number}` } });
    });
    await handle.write(`${at > 0 ? ',' : ''}${rows.join(',')}`);
  }
  await handle.write(']}');
  await handle.close();
}

function upload(gateway: GatewayProcess, file: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `token ${key}:${secret}`, 'Content-Type': 'application/json' };
    const sending = request(
      `${gateway.url}/api/method/${api}.create_and_start_campaign`,
      { method: 'POST', headers },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => (response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(text))));
      },
    );
    sending.on('error', reject);
    createReadStream(file).pipe(sending);
  });
}

/** Asks for something else all the while, and returns how long the slowest answer took, ms. */
function watchStalls(gateway: GatewayProcess): () => Promise<number> {
  let slowest = 0;
  const watch = { stopped: false };
  const watching = (async () => {
    while (!watch.stopped) {
      const at = performance.now();
      await gateway.call('wap_bridge.api.instances.list_instances', {});
      slowest = Math.max(slowest, performance.now() - at);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return async () => {
    watch.stopped = true;
    await watching;
    return slowest;
  };
}

/** Resident set of the gateway's own process now and at its peak, MiB (Linux). */
async function residentMib(pid: number): Promise<{ now: number; peak: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { now: kib('VmRSS') / 1024, peak: kib('VmHWM') / 1024 };
}

// ---- the rules ----

/** The rules over a simulated year. */
async function benchClock(): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const [engine, openDatabase] of Object.entries(engines)) {
    const opened = await openDatabase();
    const begunAt = performance.now();
    const report = await runSimulatedClock({ database: opened.database, sends: 10_000 });
    const seconds = (performance.now() - begunAt) / 1000;
    await opened.drop();
    process.stdout.write(
      report.broken
        .slice(0, 20)
        .map((line) => `${line}\n`)
        .join(''),
    );
    rows.push([
      engine,
      report.sends,
      report.days,
      report.optedOut,
      report.medianGapMs / 1000,
      report.broken.length,
      seconds,
    ]);
  }
  printTable(
    'A simulated clock: default pacing, caps and quiet hours, seven zones, people opting out',
    ['', 'sends', 'days', 'opted out', 'median gap s', 'rules broken', 'took s'],
    rows,
  );
}
