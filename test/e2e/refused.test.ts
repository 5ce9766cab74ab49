import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linkNew } from '../bench/sends.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';

const own = '255757000001';
const friend = '255757123456';

/** MariaDB goes silent in a commit, the caller is told 503, and the gateway is killed before it can take anything back. */
forEachDatabase((open, engine) => {
  describe.skipIf(engine === 'sqlite')('what was refused, after a kill', () => {
    let db: TestDatabase;
    let proxy: Awaited<ReturnType<typeof startStallingProxy>>;
    let dataDir: string;
    let gateway: GatewayProcess | null = null;
    let instanceId: string;

    beforeEach(async () => {
      db = await open();
      const url = new URL(db.url);
      proxy = await startStallingProxy({ host: url.hostname, port: Number(url.port) });
      url.port = String(proxy.port);
      dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-refused-'));
      // Short enough to be refused soon, long enough for a start on a busy machine.
      gateway = await start(url.href, { DATABASE_TIMEOUT_MS: '5000' });
      instanceId = await linkNew(gateway, own);
    });
    afterEach(async () => {
      await gateway?.kill('SIGTERM');
      proxy.resume();
      await proxy.close();
      await db.drop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    });

    const start = async (databaseUrl: string, env: Record<string, string> = {}) =>
      spawnGateway({ PORT: await freePort(), DATA_DIR: dataDir, DATABASE_URL: databaseUrl, ...env });
    const call = (method: string, body: Record<string, unknown>) => gateway!.call(`wap_bridge.api.${method}`, body);
    const send = (message: string) =>
      call('whatsapp.erpnext_notification_gateway', { instance_id: instanceId, to_number: friend, message });
    const campaign = (message: string) =>
      call('campaigns.create_and_start_campaign', {
        instance_id: instanceId,
        campaign_name: message,
        message,
        recipients: [friend],
        quiet_hours: false,
        pacing: { median_seconds: 0.1, min_seconds: 0.1, max_seconds: 0.1 },
      });

    /** Killed while the database is silent; the next gateway finds it well, and only then what was on its way gets there. */
    async function killAndStart(): Promise<void> {
      await gateway!.kill('SIGKILL');
      gateway = await start(db.url);
      await until('it is ready', async () => {
        const { json } = await call('instances.instance_status', { instance_id: instanceId });
        return json.status === 'ready';
      });
      proxy.resume();
      await until('nothing of the former gateway is on its way', () => proxy.connections() === 0);
    }

    /** Returns the texts that have arrived once this one has. */
    async function arrivedWith(last: string): Promise<string[]> {
      let texts: string[] = [];
      await until(`${last} has arrived`, async () => {
        const { messages } = (await gateway!.sandbox(`messages?instance_id=${instanceId}`)) as {
          messages: { from: string; text?: string }[];
        };
        texts = messages.flatMap(({ from, text }) => (text && from.startsWith(own) ? [text] : []));
        return texts.includes(last);
      });
      return texts;
    }

    const fates = {
      'that the database has taken without saying so': 'answers',
      'that reaches the database when the gateway has ended': 'all',
    } as const;
    const ways = {
      'a send': { run: send, commit: ['insert into messages ('] },
      'a campaign': { run: campaign, commit: ['insert into `campaign_lanes`', 'COMMIT'] },
    };
    for (const [what, { run, commit }] of Object.entries(ways))
      it.each(Object.entries(fates))(`${what} %s never goes out`, async (_, silence) => {
        proxy.stallAt(commit, silence);
        expect(await run('refused')).toMatchObject({ status: 503, json: { code: 'unavailable' } });
        await killAndStart();
        expect((await run('after')).status).toBe(200);
        expect(await arrivedWith('after')).toEqual(['after']);
        const rows = (await db.database.knex('messages').where({ direction: 'out' })) as { content: string }[];
        expect(rows.map(({ content }) => JSON.parse(content).text)).toEqual(['after']);
        expect(await db.database.knex('campaigns').whereNot({ name: 'after' })).toEqual([]);
      });
  });
});
