import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWebVersions } from '../../src/whatsapp/web-versions.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';

const own = '255757000001';
const friend = '255757123456';
const metricsToken = 'a-token-for-prometheus';

/** Other names for what has one already, and names of what no line should hold. */
const strayNames = /^(\w*(instance|message|endpoint|delivery|event)\w*_?id|id|wa_?(id|key)|jid|phone|text|body)$/i;

forEachDatabase((open) => {
  let opened: TestDatabase;
  let gateway: TestGateway;
  let receiver: Receiver;
  let instanceId: string;
  const lines: Record<string, unknown>[] = [];

  beforeAll(async () => {
    opened = await open();
    const env = { LOG_LEVEL: 'debug', METRICS_TOKEN: metricsToken };
    gateway = await startGateway(opened.url, env, {
      logTo: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
    });
    receiver = await startReceiver();
    instanceId = await gateway.link(own);
    let failures = 1;
    receiver.answer((_, response) => {
      response.statusCode = failures > 0 ? 500 : 200;
      failures -= 1;
      response.end();
    });
    await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url });
  });

  afterAll(async () => {
    await gateway?.stop();
    await receiver?.close();
    await opened?.drop();
  });

  async function send(to: string, more: object = {}): Promise<string> {
    const { json } = await gateway.call(
      'wap_bridge.api.whatsapp.send_api_message',
      { from_number: own, to_number: to, message: 'Hello', ...more },
      { 'X-Request-Id': 'erp-4711' },
    );
    return json.service?.id as string;
  }

  async function metric(name: string): Promise<number | null> {
    const response = await fetch(`${gateway.app.url}/metrics`, {
      headers: { Authorization: `Bearer ${metricsToken}` },
    });
    expect(response.status).toBe(200);
    const line = (await response.text()).split('\n').find((text) => text.startsWith(`wapbridge_${name} `));
    return line === undefined ? null : Number(line.split(' ').at(-1));
  }

  describe('the metrics', () => {
    it('tell of the instance', async () => {
      expect(await metric('instances{state="ready"}')).toBe(1);
      expect(await metric(`instance_ready{instance="${instanceId}"}`)).toBe(1);
      expect(await metric('instance_changes_total{state="ready"}')).toBe(1);
      expect(await metric('database_up')).toBe(1);
    });

    it('count sends and their acks', async () => {
      await send(friend);
      await until('it is read', async () => (await metric('message_status_total{state="read"}')) === 1);
      expect(await metric('messages_ended_total{type="text",result="accepted"}')).toBe(1);
      expect(await metric('send_seconds_count')).toBe(1);
      expect(await metric(`queue_messages{instance="${instanceId}"}`)).toBe(0);
    });

    it('count what arrives and where it went', async () => {
      for (const text of ['one', 'two']) gateway.app.sandbox!.network.receive({ to: own, from: friend, text });
      await receiver.received(1);
      await until('both are counted', async () => (await metric('messages_received_total')) === 2);
      await until('a retry waits', async () => (await metric('webhook_deliveries_total{result="retry"}')) === 1);
      expect(await metric('webhook_attempts_total{result="5xx"}')).toBe(1);
      expect(await metric('webhook_waiting{state="retry"}')).toBe(1);
      expect(await metric('webhook_oldest_seconds')).toBeGreaterThan(0);
    });

    it('tell what waits while the instance is away', async () => {
      await gateway.call('wap_bridge.api.instances.disconnect', { instance_id: instanceId });
      const queued = { from_number: own, to_number: friend, message: 'Later' };
      await gateway.call('wap_bridge.api.whatsapp.erpnext_notification_gateway', queued);
      expect(await metric('browser_ends_total{cause="stopped"}')).toBe(1);
      expect(await metric(`queue_messages{instance="${instanceId}"}`)).toBe(1);
      expect(await metric(`queue_oldest_seconds{instance="${instanceId}"}`)).toBeGreaterThan(0);
      expect(await metric('instances{state="stopped"}')).toBe(1);
      expect(await metric(`instance_ready{instance="${instanceId}"}`)).toBeNull();
      await gateway.call('wap_bridge.api.instances.connect', { instance_id: instanceId });
      await gateway.waitUntilReady(instanceId);
      await until('it is sent', async () => (await metric(`queue_messages{instance="${instanceId}"}`)) === 0);
    });
  });

  describe('readiness', () => {
    const ready = async (query = '') => (await fetch(`${gateway.app.url}/readyz${query}`)).json();

    it('is there, with the states of the instances', async () => {
      await until('all are ready', async () => (await ready('?instances=1')).status === 'ready');
      expect(await ready()).toEqual({ status: 'ready', instances: { ready: 1 } });
    });
  });

  describe('a diagnosis', () => {
    const diagnose = async (more: object = {}) =>
      (await gateway.call('wap_bridge.api.instances.diagnose', { instance_id: instanceId, ...more })).json;

    it('tells the states an instance went through, its queue, its browser and its page', async () => {
      const found = await diagnose();
      expect(found).toMatchObject({
        ok: true,
        instance_id: instanceId,
        status: 'ready',
        desired_state: 'run',
        web_version: expect.any(String),
        features: { send_text: { ok: true } },
        queue: { waiting: 0, scheduled: 0, oldest_at: null },
        browser: {
          version: expect.stringMatching(/Chrom/),
          memory: { pss_bytes: expect.any(Number) },
          page: { connection: 'CONNECTED' },
          screenshot: null,
        },
        failed_messages: [],
      });
      expect(found.profile_bytes).toBeGreaterThan(100_000);
      expect(found.history.map((change: { status: string }) => change.status).slice(-4)).toEqual([
        'ready',
        'authenticating',
        'qr',
        'starting',
      ]);
    });

    it('pictures the page', async () => {
      const { browser } = await diagnose({ screenshot: true });
      const picture = Buffer.from(browser.screenshot, 'base64');
      expect(picture.subarray(1, 4).toString()).toBe('PNG');
      expect(picture.length).toBeGreaterThan(1_000);
    });

    it('answers in time when the browser is frozen', async () => {
      const pid = browserOf(gateway.dataDir);
      process.kill(pid, 'SIGSTOP');
      try {
        const startedAt = performance.now();
        const found = await diagnose({ screenshot: true });
        expect(performance.now() - startedAt).toBeLessThan(10_000);
        expect(found).toMatchObject({ status: 'ready', browser: { version: null, screenshot: null } });
        expect(found.browser.page.error).toMatch(/does not answer/);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
    });

    it('goes back page by page', async () => {
      const page = async (more: object) =>
        (await gateway.call('wap_bridge.api.instances.instance_history', { instance_id: instanceId, ...more })).json;
      const all = (await page({})).history;
      const first = await page({ limit: 2 });
      const second = await page({ limit: 2, before: first.next });
      expect([...first.history, ...second.history]).toEqual(all.slice(0, 4));
      expect((await page({ before: all.at(-1).id })).history).toEqual([]);
    });

    it('is for those who may see the instance', async () => {
      const { status } = await gateway.call('wap_bridge.api.instances.diagnose', { instance_id: 'INST-01-9999999' });
      expect(status).toBe(404);
    });
  });

  describe('the page of WhatsApp Web', () => {
    it('is recorded on demand and opened again when it is pinned', async () => {
      const record = () => gateway.call('wap_bridge.api.instances.record_web_version', { instance_id: instanceId });
      const { json } = await record();
      expect(json).toMatchObject({ ok: true, recorded: true, version: expect.stringMatching(/^2\.3000\./) });
      expect((await record()).json.recorded).toBe(false);
      const versions = createWebVersions({ dir: join(gateway.dataDir, 'web-cache'), forced: null });
      await versions.pin(json.version);
      await gateway.call('wap_bridge.api.instances.disconnect', { instance_id: instanceId });
      expect((await record()).status).toBe(417);
      await gateway.call('wap_bridge.api.instances.connect', { instance_id: instanceId });
      await gateway.waitUntilReady(instanceId);
      await send(friend);
      await versions.unpin();
    });
  });

  describe('the log', () => {
    it('names what a line is about by the same fields everywhere', async () => {
      await send('255757999999', { message: 'nobody is there' });
      gateway.app.sandbox!.network.receive({
        to: own,
        from: friend,
        media: { mimeType: 'image/png', data: Buffer.from('png') },
      });
      await receiver.received(4);
      await until('it is written', () => lines.filter(({ msg }) => msg === 'webhook delivered').length === 3);
      expect(lines.length).toBeGreaterThan(20);

      const unnamed = lines.filter((line) => {
        const { instance, message, ...rest } = line;
        const text = JSON.stringify(rest);
        return (!instance && text.includes(instanceId)) || (!message && /3EB0[0-9A-F]{18}/.test(text));
      });
      expect(unnamed).toEqual([]);
      expect([...new Set(lines.flatMap(Object.keys))].filter((name) => strayNames.test(name))).toEqual([]);
      for (const { instance, message } of lines) {
        if (instance !== undefined) expect(instance).toBe(instanceId);
        if (message !== undefined) expect(message).toMatch(/^3[A-Z0-9]{19,}$/);
      }
    });

    it('has a line for each change of state, with the state before', () => {
      const changes = lines.filter(({ msg }) => String(msg).startsWith('instance is '));
      expect(changes.map(({ msg }) => msg)).toEqual(
        expect.arrayContaining([
          'instance is starting',
          'instance is qr',
          'instance is authenticating',
          'instance is ready',
        ]),
      );
      for (const change of changes) expect(change).toMatchObject({ instance: instanceId, was: expect.any(String) });
    });

    it('follows one message from the call to WhatsApp Web and one event to its receiver', () => {
      expect(lines.filter(({ msg }) => msg === 'message accepted').length).toBeGreaterThan(0);
      const delivered = lines.filter(({ msg }) => msg === 'webhook delivered');
      expect(delivered.length).toBeGreaterThan(0);
      for (const line of delivered)
        expect(line).toMatchObject({ event: 'message.received', instance: instanceId, message: expect.any(String) });
      expect(lines.filter(({ requestId, msg }) => requestId === 'erp-4711' && msg === 'request')).toHaveLength(3);
    });
  });
});

/** The pid of the browser that runs on this data folder. */
function browserOf(dataDir: string): number {
  const lines = execFileSync('ps', ['-eo', 'pid,args', '-ww'], { encoding: 'utf8' }).split('\n');
  const found = lines.find((line) => line.includes(`--user-data-dir=${dataDir}`) && !line.includes('--type='));
  return Number.parseInt(found ?? '', 10);
}
