import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { key, secret } from '../support/gateway.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';

const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** Everything that is nobody else's business, each recognisable. */
const hidden = {
  bootstrap: secret,
  secretKey: 'SecretKeyOfTheGateway-0123456789abcdef',
  previousKey: 'PreviousKeyOfTheGateway-0123456789abc',
  metricsToken: 'MetricsToken0123456789',
  databasePassword: 'DatabasePassw0rd',
  wrongPassword: 'WrongPassw0rd-of-the-database',
  webhookSecret: 'webhook-secret-Xy7',
  replacedSecret: 'replaced-secret-Qz9',
  headerValue: 'header-value-Ab3',
  queryValue: 'query-value-Cd5',
  userinfo: 'userinfo-Ef8',
  mediaQuery: 'media-query-Gh2',
  proxyPassword: 'proxy-password-Mn1',
  wrongSecret: 'wrong-secret-Ij4',
  longSecret: `long-secret-${'Kl6'.repeat(100)}`,
};

forEachDatabase((open, engine) => {
  let db: TestDatabase;
  let dataDir: string;
  let receiver: Receiver;
  let gateway: GatewayProcess | null = null;
  const users: string[] = [];

  beforeEach(async () => {
    db = await open();
    dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-secrecy-'));
    receiver = await startReceiver();
  });
  afterEach(async () => {
    await gateway?.kill('SIGKILL');
    await receiver.close();
    for (const user of users) await db.database.knex.raw(`DROP USER IF EXISTS ${user}`);
    await db.drop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  });

  /** The database as a user with a password sees it; SQLite has none. */
  async function urlWithPassword(): Promise<string> {
    if (engine === 'sqlite') return db.url;
    const user = `secrecy_${process.pid}`;
    users.push(user);
    await db.database.knex.raw(`CREATE OR REPLACE USER ${user} IDENTIFIED BY '${hidden.databasePassword}'`);
    await db.database.knex.raw(`GRANT ALL ON \`${new URL(db.url).pathname.slice(1)}\`.* TO ${user}`);
    const url = new URL(db.url);
    [url.username, url.password] = [user, hidden.databasePassword];
    return url.href;
  }

  async function env(): Promise<Record<string, string>> {
    return {
      PORT: await freePort(),
      DATA_DIR: dataDir,
      DATABASE_URL: await urlWithPassword(),
      LOG_LEVEL: 'trace',
      SECRET_KEY: hidden.secretKey,
      SECRET_KEY_PREVIOUS: hidden.previousKey,
      METRICS_TOKEN: hidden.metricsToken,
    };
  }

  /** Fails by naming what was found where. */
  function expectNone(where: string, text: string, more: Record<string, string> = {}): void {
    for (const [name, value] of Object.entries({ ...hidden, ...more })) {
      const shapes = [value, Buffer.from(value).toString('base64'), encodeURIComponent(value)];
      const at = shapes.map((shape) => text.indexOf(shape)).find((found) => found >= 0);
      expect(at === undefined ? 'nothing' : `${name}: …${text.slice(Math.max(0, at - 200), at + 60)}`, where).toBe(
        'nothing',
      );
    }
  }

  it('appears in no log, no answer and no table of history', async () => {
    const settings = await env();
    gateway = await spawnGateway(settings);
    const { url } = gateway;
    const answers: string[] = [];
    const ask = async (path: string, init: RequestInit & { json?: object } = {}) => {
      const { json, headers, ...rest } = init;
      const answer = await fetch(`${url}${path}`, {
        method: json ? 'POST' : 'GET',
        headers: { Authorization: `token ${key}:${secret}`, 'Content-Type': 'application/json', ...headers },
        ...(json && { body: JSON.stringify(json) }),
        ...rest,
      });
      const text = await answer.text();
      answers.push(`${path.split('?')[0]} ${answer.status} ${JSON.stringify([...answer.headers])} ${text}`);
      return { status: answer.status, text, json: () => JSON.parse(text) };
    };
    const call = (method: string, json: object) => ask(`/api/method/wap_bridge.api.${method}`, { json });

    // Webhooks: made, changed, failing in every way, with a receiver that answers with what it was told.
    let status = 200;
    receiver.answer((request, response) =>
      response.writeHead(status).end(`${JSON.stringify(request.headers)} ${request.path}`),
    );
    const hook = {
      url: `${receiver.url}?key=${hidden.queryValue}`,
      secret: hidden.replacedSecret,
      headers: { 'X-Api-Key': hidden.headerValue },
      events: ['message.received', 'webhook.disabled'],
    };
    const { webhook_id } = (await call('settings.create_webhook', hook)).json();
    await call('settings.update_webhook', { webhook_id, secret: hidden.webhookSecret });
    await call('settings.set_webhook', { url: `http://127.0.0.1:1/?key=${hidden.queryValue}` });
    await call('settings.set_webhook', {
      url: `http://127.0.0.1:9998/?key=${hidden.queryValue}`,
      secret: hidden.webhookSecret,
    });
    await call('settings.set_webhook', { url: `http://user:${hidden.userinfo}@127.0.0.1:9998/` });
    await call('settings.set_webhook', { url: `http://10.1.2.3/?key=${hidden.queryValue}` });
    await call('settings.create_webhook', { ...hook, secret: hidden.longSecret });
    await call('settings.create_webhook', { ...hook, headers: { host: hidden.headerValue } });
    await call('settings.create_webhook', { ...hook, headers: { 'X-A': `${hidden.headerValue}\n` } });
    await call('settings.create_webhook', { ...hook, headers: hidden.headerValue });
    // A proxy: refused, taken, and used by a browser that starts.
    const { instance_id: proxied } = (await call('instances.create_instance', {})).json();
    const proxy = `socks5://me:${hidden.proxyPassword}@127.0.0.1:9`;
    for (const proxy_url of [proxy.replace('socks5', 'ftp'), `${proxy}/path`, proxy])
      await call('instances.update_instance', { instance_id: proxied, proxy_url });
    expect(answers.at(-1)).toContain('"has_proxy":true');
    for (const method of ['disconnect', 'connect', 'get_qr', 'instance_status'])
      await call(`instances.${method}`, { instance_id: proxied });
    expect(execFileSync('ps', ['-eo', 'args', '-ww'], { encoding: 'utf8' })).not.toContain(hidden.proxyPassword);
    await call('instances.delete_instance', { instance_id: proxied });
    // What the receiver echoes is shown to who tests a webhook, but not what it was told in confidence.
    await call('settings.test_webhook', { webhook_id });
    expect(answers.at(-1)).toContain('x-api-key');

    // A real message through the whole house: QR code, pairing code, webhook that fails.
    const { instance_id } = (await call('instances.create_instance', {})).json();
    const { qr } = (await call('instances.get_qr', { instance_id })).json();
    expect(qr).toMatch(/^2@/);
    const codes: Record<string, string> = { qr };
    const { code } = (
      await call('instances.request_pairing_code', { instance_id, phone_number: '+255757000009' })
    ).json();
    if (code) codes.pairing = code;
    answers.splice(-2);
    await gateway.sandbox('link', { instance_id, phone_number: '255757000009' });
    await until(
      'it is ready',
      async () => (await call('instances.instance_status', { instance_id })).json().status === 'ready',
    );
    for (status of [200, 500]) {
      await gateway.sandbox('receive', { instance_id, from: '255757123456', text: `Sawa ${status}` });
      await until(`${status} is written`, async () => {
        const { attempts } = (await call('settings.list_webhook_attempts', { webhook_id })).json();
        return attempts.some(({ http_status }: { http_status: number | null }) => http_status === status);
      });
    }
    expect(answers.at(-1)).toContain('x-api-key');

    // Media by URL, wrong credentials in every place, bodies that cannot be read.
    const send = { to_number: '+255757123456', message: 'Hi' };
    const media = { ...send, media_url: `${receiver.url}?key=${hidden.mediaQuery}` };
    await call('whatsapp.send_api_message', media);
    await call('whatsapp.send_api_message', {
      ...media,
      media_url: `http://u:${hidden.userinfo}@127.0.0.1:9998/a.png`,
    });
    await call('whatsapp.send_api_message', { ...media, media_url: `http://10.9.9.9/?key=${hidden.mediaQuery}` });
    const wrong = `${key}:${hidden.wrongSecret}`;
    for (const Authorization of [
      `token ${wrong}`,
      `Bearer ${wrong}`,
      `Basic ${btoa(wrong)}`,
      `Bearer ${hidden.wrongSecret}`,
      `odd ${hidden.wrongSecret} x`,
    ])
      await ask('/api/method/wap_bridge.api.instances.list_instances', { headers: { Authorization } });
    const body = `{"secret": "${hidden.webhookSecret}", "url": `;
    await ask('/api/method/wap_bridge.api.settings.set_webhook', { method: 'POST', body });
    await ask(`/api/method/wap_bridge.api.settings.get_webhook?secret=${hidden.webhookSecret}`);
    await ask('/metrics', { headers: { Authorization: `Bearer ${hidden.wrongSecret}` } });
    await ask('/metrics', { headers: { Authorization: `Bearer ${hidden.metricsToken}` } });
    await ask('/media/01J00000000000000000000000?expires=1&signature=bad');

    // The command line, which makes tokens; its output shows the new one's secret, once.
    const cli = (...words: string[]) =>
      run(process.execPath, [join(root, 'dist/src/cli/main.js'), ...words], {
        env: { ...process.env, ...settings },
      }).then(
        ({ stdout, stderr }) => stdout + stderr,
        (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
      );
    const made = /API secret +(\S+)/.exec(await cli('token', 'create', '--title', 'Desk'))?.[1] ?? '';
    expect(made).toHaveLength(43);
    for (const words of [
      'token list',
      'webhook list',
      'webhook attempts',
      'webhook deliveries',
      'audit list',
      'config',
      'secret status',
      'doctor',
    ])
      answers.push(`${words}: ${await cli(...words.split(' '))}`);

    // The database breaks under a change that carries secrets.
    await db.database.knex.schema.renameTable('audit_log', 'audit_gone');
    await db.database.knex.schema.renameTable('webhook_attempts', 'attempts_gone');
    const broken = await call('settings.set_webhook', {
      url: `${receiver.url}?key=${hidden.queryValue}`,
      secret: hidden.webhookSecret,
    });
    expect(broken.status).toBe(500);
    await call('settings.list_webhook_attempts', { webhook_id });
    await db.database.knex.schema.renameTable('audit_gone', 'audit_log');
    await db.database.knex.schema.renameTable('attempts_gone', 'webhook_attempts');
    await gateway.kill('SIGTERM');

    const output = gateway.output();
    expect(output).toContain('request failed');
    expect(output.length).toBeLessThan(190_000);
    expectNone('the log', output, { ...codes, made });
    const shown = answers.filter(
      (answer) =>
        !/^\/api\/method\/wap_bridge\.api\.settings\.(create|update|set|get|list)_webhooks?\S* 200/.test(answer) &&
        !answer.startsWith('webhook list'),
    );
    for (const answer of shown) expectNone('an answer', answer, { made });
    // Its owner may read the address of a webhook, and nothing else.
    const { queryValue: _, ...confidential } = hidden;
    for (const answer of answers)
      for (const [name, value] of Object.entries(confidential))
        expect(answer.includes(value) ? name : '', answer.slice(0, 80)).toBe('');
    for (const table of [
      'events',
      'webhook_deliveries',
      'webhook_attempts',
      'audit_log',
      'idempotency_keys',
      'tokens',
      'instances',
    ])
      expectNone(table, JSON.stringify(await db.database.knex(table)), { ...codes, made });
    const endpoints = JSON.stringify(
      await db.database.knex('webhook_endpoints').select('secret', 'old_secrets', 'headers'),
    );
    expectNone('webhook_endpoints', endpoints);
  });

  it('is not told by a start that fails', async () => {
    const start = async (more: Record<string, string>) => {
      const child = await run(process.execPath, [join(root, 'dist/src/main.js')], {
        env: {
          ...process.env,
          ...(await env()),
          BOOTSTRAP_API_KEY: key,
          BOOTSTRAP_API_SECRET: secret,
          SANDBOX: 'true',
          ...more,
        },
        timeout: 30_000,
      }).then(
        () => ({ stdout: '', stderr: 'it started' }),
        (error: { stdout: string; stderr: string }) => error,
      );
      return child.stdout + child.stderr;
    };
    const failures = [
      await start({ DATABASE_URL: `mysql://root:${hidden.wrongPassword}@127.0.0.1:9/nothing` }),
      await start({ DATABASE_URL: `postgres://root:${hidden.wrongPassword}@127.0.0.1/nothing` }),
      await start({ SECRET_KEY: hidden.wrongSecret, SECRET_KEY_PREVIOUS: hidden.wrongSecret }),
      await start({ BOOTSTRAP_API_SECRET: `${hidden.userinfo} with spaces` }),
      await start({ METRICS_TOKEN: `${hidden.userinfo} with spaces` }),
      await start({ OUTBOUND_PROXY: `ftp://me:${hidden.proxyPassword}@127.0.0.1:9` }),
    ];
    if (engine === 'mysql') {
      const url = new URL(db.url);
      [url.username, url.password] = ['nobody', hidden.wrongPassword];
      failures.push(await start({ DATABASE_URL: url.href }));
    }
    for (const failure of failures) {
      expect(failure).toMatch(/could not start|not valid/);
      expectNone('the failure', failure);
    }
  });
});
