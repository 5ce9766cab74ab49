import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settings } from '../../src/settings.ts';
import { lockDataDir } from '../../src/whatsapp/chromium/profile.ts';
import { cli, startGatewayStub } from './support.ts';

let dir: string;
let env: Record<string, string>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-cli-'));
  env = {
    DATA_DIR: dir,
    DATABASE_URL: `sqlite:${join(dir, 'test.db')}`,
    PORT: String(await freePort()),
    SANDBOX: 'true',
    CHROMIUM_PATH: process.env.CHROMIUM_PATH ?? '',
  };
});

afterEach(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

describe('the command line', () => {
  it('lists every command when nothing is typed', async () => {
    const { status, out } = await cli([], env);
    expect(status).toBe(0);
    for (const command of [
      'token create',
      'token revoke <key>',
      'instance qr <id>',
      'webhook set <url>',
      'doctor',
      'config',
      'migrate',
    ])
      expect(out).toContain(command);
  });

  it('lists the verbs of a noun, and explains a command on --help without running it', async () => {
    expect((await cli(['token'], env)).out).toMatch(/token create.*token list.*token revoke/s);
    expect(await cli(['help', 'instance', 'delete'], env)).toEqual(await cli(['instance', 'delete', '--help'], env));
    const help = await cli(['instance', 'delete', '--help'], env);
    expect(help).toMatchObject({ status: 0, err: '' });
    expect(help.out).toContain('Usage: npm run wapbridge -- instance delete <id> [options]');
  });

  it.each([
    [['tokens'], 'There is no command `tokens`'],
    [['token', 'make'], 'There is no command `token make`'],
    [['token', 'revoke'], '<key> is missing'],
    [['token', 'revoke', 'a', 'b'], 'b is one word too many'],
    [['token', 'create', '--colour', 'red'], "Unknown option '--colour'"],
    [['token', 'create', '--scope', 'all'], '--scope is full or send'],
  ])('answers %j with status 2 and what is wrong', async (words, sentence) => {
    const { status, err } = await cli(words, env);
    expect(status).toBe(2);
    expect(err).toContain(sentence);
  });

  it('names what is wrong in the environment', async () => {
    const { status, err } = await cli(['token', 'list'], { ...env, PORT: 'many' });
    expect(status).toBe(1);
    expect(err).toContain('PORT: must be a number');
  });
});

describe('token', () => {
  it('makes a token, lists it without its secret, and revokes it', async () => {
    const created = await cli(['token', 'create', '--title', 'ERPNext', '--scope', 'send'], env);
    const [, key = '', secret = ''] = /Authorization: token ([\w-]+):([\w-]+)$/.exec(created.out) ?? [];
    expect(`token ${key}:${secret}`.length).toBeLessThanOrEqual(140);

    const listed = await cli(['token', 'list'], env);
    expect(listed.out).toMatch(new RegExp(`${key} .*…${secret.slice(-4)} .*send .*ERPNext`));
    expect(listed.out).not.toContain(secret);

    expect((await cli(['token', 'revoke', key], env)).status).toBe(0);
    expect((await cli(['token', 'list'], env)).out).toBe('');
    expect((await cli(['token', 'list', '--all'], env)).out).toContain(key);
    expect(await cli(['token', 'revoke', key], env)).toMatchObject({
      status: 1,
      err: `There is no active token with the key ${key}`,
    });
  });

  it('refuses to bind a token to an instance that does not exist', async () => {
    const { status, err } = await cli(['token', 'create', '--instance', 'INST-01-0000009'], env);
    expect({ status, err }).toEqual({ status: 1, err: 'There is no instance INST-01-0000009.' });
  });
});

describe('instance', () => {
  it('says in one sentence that no gateway runs', async () => {
    expect(await cli(['instance', 'list'], env)).toEqual({
      status: 1,
      out: '',
      err: `No gateway answers at http://127.0.0.1:${env.PORT}: start it with \`npm start\`, or set HOST and PORT as it has them.`,
    });
  });

  it('lists instances on lines that fit the terminal, and whole where nobody watches', async () => {
    const reason = 'WhatsApp Web is open elsewhere with this very login: end that one, then connect the instance';
    const instance = {
      instance_id: 'INST-01-0000001',
      status: 'action_required',
      action: 'taken_over',
      phone_number: '255700000000',
      title: 'Front desk',
      missing_features: ['stanzas'],
      reason,
    };
    const calm = { ...instance, status: 'ready', action: null, missing_features: [], reason: null };
    const gateway = await startGatewayStub(() => ({ body: { instances: [instance, calm] } }));
    const own = { ...env, PORT: String(gateway.port) };
    const narrow = await cli(['instance', 'list'], own, { isTerminal: true, lineWidth: 110 });
    const piped = await cli(['instance', 'list'], own);
    await gateway.close();
    const lines = narrow.out.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(110);
    expect(lines[1]).toMatch(
      /^INST-01-0000001 {2}action_required {2}taken_over {2}255700000000 {2}Front desk {2}stanzas {2}WhatsApp Web is.*…$/,
    );
    expect(lines[2]).toMatch(/^INST-01-0000001 {2}ready .* -$/);
    expect(piped.out).toContain(reason);
  });

  it('changes what is named and nothing else, and says when a restart is needed', async () => {
    const gateway = await startGatewayStub(() => ({ body: { restart_needed: true } }));
    const proxy = 'socks5://me:hush@proxy:1080';
    const words = ['instance', 'update', 'INST-01-0000001', '--proxy', proxy, '--user-agent', ''];
    const { status, out, err } = await cli(words, { ...env, PORT: String(gateway.port) });
    await gateway.close();
    expect(status).toBe(0);
    expect(gateway.calls.map(({ method, params }) => [method, params])).toEqual([
      ['instances.update_instance', { instance_id: 'INST-01-0000001', proxy_url: proxy, user_agent: '' }],
    ]);
    expect(out).toBe('INST-01-0000001 is changed.');
    expect(err).toContain('instance disconnect');
  });

  it('draws each new QR code once and ends when the phone is linked', async () => {
    const codes = ['2@first', '2@first', '2@second'];
    const gateway = await startGatewayStub(({ method }) => {
      if (method === 'instances.create_instance')
        return { body: { instance_id: 'INST-01-0000001', status: 'starting' } };
      if (method === 'instances.instance_status') return { body: { phone_number: '255700000000', status: 'ready' } };
      const qr = codes.shift();
      return { body: qr === undefined ? { status: 'ready' } : { status: 'qr', qr } };
    });
    const { status, out } = await cli(
      ['instance', 'create', '--title', 'Front desk'],
      { ...env, PORT: String(gateway.port) },
      { isTerminal: true },
    );
    await gateway.close();
    expect(status).toBe(0);
    expect(out.match(/Link a device/g)).toHaveLength(2);
    expect(out).toMatch(/▄.*INST-01-0000001 is linked to 255700000000\.$/s);
    expect(gateway.calls[0]?.params).toEqual({ title: 'Front desk' });
  });

  it('ends with the reason when the instance can no longer be linked', async () => {
    const gateway = await startGatewayStub(({ method }) => ({
      body:
        method === 'instances.get_qr'
          ? { status: 'failed' }
          : { status: 'failed', phone_number: null, reason: 'The browser did not start' },
    }));
    const { status, err } = await cli(['instance', 'qr', 'INST-01-0000001'], { ...env, PORT: String(gateway.port) });
    await gateway.close();
    expect(status).toBe(1);
    expect(err).toContain('it is failed (The browser did not start)');
  });

  it('presents a token that is revoked afterwards, also when the call fails', async () => {
    const gateway = await startGatewayStub(() => ({
      status: 404,
      body: { message: 'There is no instance INST-01-0000009' },
    }));
    const own = { ...env, PORT: String(gateway.port) };
    expect(await cli(['instance', 'logout', 'INST-01-0000009'], own)).toMatchObject({
      status: 1,
      err: 'There is no instance INST-01-0000009',
    });
    await gateway.close();
    const key = /^token ([\w-]+):/.exec(gateway.calls[0]?.authorization ?? '')?.[1] ?? 'none';
    expect((await cli(['token', 'list', '--all'], own)).out).toMatch(
      new RegExp(`${key} .*command line .*\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$`),
    );
    expect((await cli(['token', 'list'], own)).out).toBe('');
  });

  it('says that the gateway has another database when it does not know the token', async () => {
    const gateway = await startGatewayStub(() => ({ status: 401, body: {} }));
    const { err } = await cli(['instance', 'list'], { ...env, PORT: String(gateway.port) });
    await gateway.close();
    expect(err).toContain('does not use this database');
  });

  it('deletes only with --yes', async () => {
    const { status, err } = await cli(['instance', 'delete', 'INST-01-0000001'], env);
    expect(status).toBe(1);
    expect(err).toContain('add --yes');
  });
});

describe('webhook', () => {
  it('hands the address, the secret and the events to the gateway', async () => {
    const gateway = await startGatewayStub(({ params }) => ({ body: { ok: true, enabled: true, ...params } }));
    const words = [
      'webhook',
      'set',
      'https://erp.example.com/hook',
      '--secret',
      's3cret',
      '--events',
      'message.received, message.status',
    ];
    const { status, out } = await cli(words, { ...env, PORT: String(gateway.port) });
    await gateway.close();
    expect(status).toBe(0);
    expect(out).toBe('https://erp.example.com/hook\nevents: message.received, message.status');
    expect(gateway.calls[0]).toMatchObject({
      method: 'settings.set_webhook',
      params: { url: 'https://erp.example.com/hook', secret: 's3cret', events: ['message.received', 'message.status'] },
    });
  });

  it('changes a webhook with its headers and flags', async () => {
    const gateway = await startGatewayStub(({ params }) => ({ body: { ok: true, ...params } }));
    const words = ['webhook', 'update', '01ABC', '--header', 'X-A: b|X-C: d: e', '--ordered', '--disable'];
    const { status, out } = await cli(words, { ...env, PORT: String(gateway.port) });
    await gateway.close();
    expect(status).toBe(0);
    expect(out).toMatch(/^ordered +true$/m);
    expect(gateway.calls[0]).toMatchObject({
      method: 'settings.update_webhook',
      params: { webhook_id: '01ABC', headers: { 'X-A': 'b', 'X-C': 'd: e' }, ordered: true, enabled: false },
    });
  });

  it.each([
    ['5, 300,1800', [5, 300, 1800], '5, 300, 1800'],
    ['none', [], 'none'],
    ['default', null, 'default'],
  ])('sets when a webhook is tried again: %s', async (typed, sent, shown) => {
    const gateway = await startGatewayStub(({ params }) => ({ body: { ok: true, ...params } }));
    const words = ['webhook', 'create', 'https://erp.example.com/hook', '--retry-seconds', typed];
    const { out } = await cli(words, { ...env, PORT: String(gateway.port) });
    await gateway.close();
    expect(gateway.calls[0]?.params).toMatchObject({ retry_seconds: sent });
    expect(out).toMatch(new RegExp(`^retry_seconds +${shown}$`, 'm'));
  });

  it.each(['5;300', '', '1.5', 'soon'])('refuses the retries "%s"', async (typed) => {
    const { status, err } = await cli(['webhook', 'update', '01ABC', '--retry-seconds', typed], env);
    expect(status).toBe(2);
    expect(err).toContain('is no number of seconds: write 5,300,1800');
  });

  it('lists what was delivered as a table, and says by its status whether a test was taken', async () => {
    const gateway = await startGatewayStub(({ method }) => ({
      body: method.endsWith('test_webhook')
        ? { ok: true, delivered: false, http_status: 500 }
        : { ok: true, deliveries: [{ delivery_id: '01D', webhook_id: '01W', event: 'message.received', attempts: 3 }] },
    }));
    const listed = await cli(['webhook', 'deliveries', '--status', 'failed'], { ...env, PORT: String(gateway.port) });
    const tested = await cli(['webhook', 'test', '01W'], { ...env, PORT: String(gateway.port) });
    await gateway.close();
    expect(listed.out).toMatch(/^DELIVERY ID +WEBHOOK ID +EVENT[^\n]*\n01D +01W +message\.received +- +3/);
    expect(tested.status).toBe(1);
  });
});

describe('config', () => {
  it('shows every setting with its value and hides secrets', async () => {
    const { out } = await cli(['config'], {
      ...env,
      SECRET_KEY: 'k'.repeat(40),
      DATABASE_URL: 'mysql://wap:p@ss:word@db/wap',
      OUTBOUND_PROXY: 'http://wap:hush@proxy:3128',
    });
    for (const name of Object.keys(settings)) expect(out).toContain(name);
    expect(out).toMatch(/^PORT +\d+ +set /m);
    expect(out).toMatch(/^LOG_LEVEL +info +default /m);
    expect(out).toContain('mysql://wap:***@db/wap');
    expect(out).toContain('http://wap:***@proxy:3128');
    expect(out).toMatch(/^WHATSAPP_WEB_CACHE_DIR +\S+ +default /m);
    expect(out).not.toMatch(/kkkk|p@ss|hush/);
  });
});

describe('migrate', () => {
  it('brings the schema up to date and says so the second time', async () => {
    expect((await cli(['migrate'], env)).out).toContain('is up to date now: 20261120090000_initial');
    expect((await cli(['migrate'], env)).out).toMatch(/is up to date\.$/);
  });
});

describe('doctor', () => {
  it.runIf(process.platform === 'linux')('says that the data folder cannot be made', async () => {
    const { status, out } = await cli(['doctor'], { ...env, DATA_DIR: '/proc/data' });
    expect(status).toBe(1);
    expect(out).toContain('/proc/data cannot be written (ENOENT');
  });

  it('finds all well, starts the browser, and names the gateway that holds the data folder', async () => {
    const lock = await lockDataDir(dir);
    const { status, out } = await cli(['doctor'], env);
    await lock.release();
    expect(out).toContain(`used by the gateway with process ${process.pid}`);
    expect(out).toMatch(/ok +browser: .* starts \(.*Chrome\/\d+/);
    expect(out).toContain('none answers at http://127.0.0.1:');
    expect(out).toMatch(/All is well\.$/);
    expect(status).toBe(0);
  });

  it('says what is wrong and what to do, one problem after another', async () => {
    const unreachable: typeof fetch = () =>
      Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ENOTFOUND' }) }));
    const notAFolder = join(dir, 'file');
    await writeFile(notAFolder, '');
    const broken = {
      DATA_DIR: join(notAFolder, 'data'),
      DATABASE_URL: `mysql://root@127.0.0.1:${env.PORT}/none`,
      CHROMIUM_PATH: '/nowhere/chromium',
      PORT: env.PORT ?? '',
    };
    const { status, out } = await cli(['doctor'], broken, { fetch: unreachable });
    expect(status).toBe(1);
    expect(out).toMatch(/WRONG data folder: .*data cannot be written .*\n +→ give it to the user/);
    expect(out).toMatch(/WRONG database: mysql:.* does not answer \(.*ECONNREFUSED.*\)\n +→ see that the server runs/);
    expect(out).toMatch(/WRONG browser: CHROMIUM_PATH names \/nowhere\/chromium/);
    expect(out).toMatch(/WRONG WhatsApp Web: .* cannot be reached \(ENOTFOUND\)\n +→ allow HTTPS/);
    expect(out).toMatch(/4 of 6 checks found a problem\.$/);
  });

  it('says that the pinned page of WhatsApp Web is not there', async () => {
    const { status, out } = await cli(['doctor'], { ...env, SANDBOX: 'true', WHATSAPP_WEB_VERSION: '2.3000.777' });
    expect(status).toBe(1);
    expect(out).toMatch(
      /WRONG WhatsApp Web: the page 2\.3000\.777 is pinned, but not .*\n +→ take WHATSAPP_WEB_VERSION/,
    );
  });

  it('stops at a configuration that is not valid', async () => {
    const { status, out } = await cli(['doctor'], { ...env, PORT: '-1' });
    expect(status).toBe(1);
    expect(out).toMatch(/WRONG configuration: .*PORT/s);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
