import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { phones } from '../support/campaigns.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase } from '../support/database.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';

const own = '255757000001';
const api = 'wap_bridge.api.campaigns';
const swift = {
  median_seconds: 0.05,
  min_seconds: 0,
  max_seconds: 0.2,
  break_every_min: 0,
  break_every_max: 0,
  daily_cap: 10_000,
  new_chat_cap: 10_000,
  warm_up: false,
};

forEachDatabase((open) => {
  it(
    'goes through pause, new recipients, resume and kills to its end, and everybody gets one message',
    {
      timeout: 240_000,
    },
    async () => {
      const opened = await open();
      const receiver = await startReceiver();
      const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-camp-'));
      const env = { PORT: await freePort(), DATA_DIR: dataDir, DATABASE_URL: opened.url };
      let gateway = await spawnGateway(env);
      try {
        const instanceId = (await gateway.call('wap_bridge.api.instances.create_instance', {})).json
          .instance_id as string;
        await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: instanceId });
        await gateway.sandbox('link', { instance_id: instanceId, phone_number: own });
        await untilReady(gateway, instanceId);
        await gateway.call('wap_bridge.api.settings.set_webhook', {
          url: receiver.url,
          events: [
            'campaign.started',
            'campaign.paused',
            'campaign.resumed',
            'campaign.completed',
            'campaign.recipient',
          ],
        });

        const created = await gateway.call(`${api}.create_and_start_campaign`, {
          instance_id: instanceId,
          campaign_name: 'Promo Batch A',
          message: '{Hello|Hi} {{name|friend}}, this is for you',
          recipients: [...phones(30), '0757100000', 'not a number'],
          pacing: swift,
          quiet_hours: false,
          recipient_events: true,
        });
        expect(created.json).toMatchObject({ ok: true, campaign: 'WAP-CAM-0001', status: 'running' });
        expect(created.json).toMatchObject({ total: 30, queued: 30, duplicates: 1 });
        const campaign = { campaign: 'WAP-CAM-0001' };
        const status = async () => (await gateway.call(`${api}.campaign_status`, campaign)).json as unknown as Status;

        await until('some are sent', async () => (await status()).sent >= 5);
        expect((await gateway.call(`${api}.pause_campaign`, campaign)).json).toMatchObject({ status: 'paused' });
        await until('nothing is on its way', async () => (await status()).sending === 0);
        const paused = await status();
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect(await status()).toMatchObject({ sent: paused.sent, queued: paused.queued, status: 'paused' });

        const added = await gateway.call(`${api}.add_campaign_recipients`, {
          ...campaign,
          recipients: phones(15, 25).map((phone_number) => ({ phone_number, variables: { name: 'Asha' } })),
        });
        expect(added.json).toMatchObject({ total: 40, queued: 10, duplicates: 5 });
        expect((await gateway.call(`${api}.resume_campaign`, campaign)).json).toMatchObject({ status: 'running' });

        for (let kill = 0; kill < 3; kill += 1) {
          const before = (await status()).sent;
          await until('it goes on', async () => (await status()).sent > before);
          await gateway.kill('SIGKILL');
          gateway = await spawnGateway(env);
          await untilReady(gateway, instanceId);
        }
        await until('it is completed', async () => (await status()).status === 'completed', 90_000);
        await until('everything has arrived', async () => (await status()).delivered >= 40);
        expect(await status()).toMatchObject({
          total: 40,
          queued: 0,
          sending: 0,
          sent: 40,
          failed: 0,
          skipped: 0,
          uncertain: 0,
        });

        const { messages } = (await gateway.sandbox(`messages?instance_id=${instanceId}`)) as {
          messages: { id: string; to: string; text?: string }[];
        };
        const arrivals = messages.filter(({ text }) => text?.includes('this is for you'));
        expect(new Set(arrivals.map(({ id }) => id)).size).toBe(40);
        expect(new Set(arrivals.map(({ to }) => to)).size).toBe(40);
        expect(arrivals.filter(({ text }) => text?.includes('Asha'))).toHaveLength(10);

        const rows = await gateway.call(`${api}.campaign_recipients`, { ...campaign, limit: 100 });
        expect(rows.json.recipients).toHaveLength(40);
        const told = (event: string) => bodies(receiver).filter((body) => body.event === event);
        await until('the end is told', () => told('campaign.completed').length > 0);
        expect(told('campaign.paused').length).toBeGreaterThan(0);
        expect(told('campaign.recipient').length).toBeGreaterThanOrEqual(40);
      } finally {
        await gateway.kill('SIGTERM');
        await receiver.close();
        await opened.drop();
        await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
      }
    },
  );
});

interface Status {
  status: string;
  queued: number;
  sending: number;
  sent: number;
  delivered: number;
}

function bodies(receiver: Receiver): { event: string }[] {
  return receiver.requests.map(({ body }) => JSON.parse(body.toString()) as { event: string });
}

async function untilReady(gateway: GatewayProcess, instanceId: string): Promise<void> {
  await until(
    `${instanceId} is ready`,
    async () =>
      (await gateway.call('wap_bridge.api.instances.instance_status', { instance_id: instanceId })).json.status ===
      'ready',
  );
}
