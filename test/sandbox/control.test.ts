import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { type Browser, launch } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from 'whatsapp-web.js';
import { createSandboxControl } from '../../src/sandbox/control.ts';
import { browserPath, createTestBed, once, until } from './support.ts';
import type { TestBed } from './support.ts';

const PHONE = '491700000001';
const ANN = '491700000002';
const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP4z8CAB+GTG8HSALfKY52fTcuYAAAAAElFTkSuQmCC';
const EVIL = '<img src=x onerror="document.title=`broken`">';

let bed: TestBed;
let client: Client;
let base: string;
let qr: string | null = null;
let server: ReturnType<typeof createServer>;

async function call(
  path: string,
  fields?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: never }> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof fields === 'string' ? fields : JSON.stringify(fields),
  };
  const response = await fetch(`${base}/sandbox/api/${path}`, fields === undefined ? { headers } : init);
  return { status: response.status, body: (await response.json()) as never };
}

beforeAll(async () => {
  bed = await createTestBed();
  client = bed.open('a');
  client.on('qr', (code) => (qr = code));
  client.on('ready', () => (qr = null));
  const phoneOf = (): { phone?: string } => (client.info ? { phone: client.info.wid.user } : {});
  const control = createSandboxControl({
    sandbox: bed.sandbox,
    instances: {
      list: async () => [{ instanceId: 'one', status: client.info ? 'ready' : 'qr', ...phoneOf() }],
      qr: async () => qr,
    },
  });
  const app = new Koa().use(control.routes());
  server = createServer(app.callback() as never);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  void client.initialize();
});
afterAll(async () => {
  server.close();
  await bed.close();
});

describe('the control of the sandbox', () => {
  it('changes the page for the next start, and knows what can be changed', async () => {
    const refused = await call('drift', { drift: ['lid-chats', 'no-such-change'] });
    expect(refused).toMatchObject({ status: 400, body: { error: expect.stringContaining('msg-key-renamed') } });
    expect(await call('drift', { drift: ['lid-chats', 'module-gone:WAWap'] })).toMatchObject({ status: 200 });
    expect((await call('state')).body).toMatchObject({ drift: ['lid-chats', 'module-gone:WAWap'] });
    expect((await call('drift', { drift: [] })).body).toEqual({ drift: [] });
  });

  it('waits for the QR code of an instance and scans it', async () => {
    const ready = once(client, 'ready');
    expect(await call('link', { instance_id: 'one', phone_number: `+${PHONE}`, name: 'Shop' })).toMatchObject({
      status: 200,
    });
    await ready;
    expect((await call('state')).body).toMatchObject({
      instances: [{ instance_id: 'one', status: 'ready', phone: PHONE, online: true, qr: null }],
    });
  });

  it('writes as another person, with text and with media, from phone and LID', async () => {
    const coming = once(client, 'message');
    const text = await call('receive', { instance_id: 'one', from: ANN, name: 'Ann', text: 'hello' });
    expect(text.body).toMatchObject({
      from: `${ANN}@c.us`,
      from_phone: ANN,
      to_phone: PHONE,
      type: 'chat',
      text: 'hello',
    });
    expect((await coming)[0]).toMatchObject({ body: 'hello' });
    const media = { data: PICTURE, mime_type: 'image/png', filename: 'dot.png', caption: 'a dot' };
    const picture = await call('receive', { instance_id: 'one', from: ANN, media, lid: true });
    expect(picture.body).toMatchObject({ type: 'image', caption: 'a dot', media: { mime_type: 'image/png' } });
    const { url } = (picture.body as { media: { url: string } }).media;
    const file = await fetch(`${base}${url}`);
    expect(file.headers.get('content-type')).toBe('image/png');
    expect(Buffer.from(await file.arrayBuffer()).toString('base64')).toBe(PICTURE);
  });

  it('makes groups and writes into them', async () => {
    const { body } = await call('groups', { instance_id: 'one', subject: 'Staff', members: [ANN] });
    const { id } = body as { id: string };
    expect((await call('receive', { instance_id: 'one', from: ANN, group: id, text: 'hi' })).body).toMatchObject({
      group: id,
    });
  });

  it('lists messages of an instance since a time', async () => {
    const all = (await call('messages?instance_id=one')).body as { messages: { changed_at: number }[] };
    expect(all.messages.length).toBeGreaterThan(2);
    const last = Math.max(...all.messages.map((message) => message.changed_at));
    expect((await call(`messages?instance_id=one&since=${last + 60_000}`)).body).toEqual({ messages: [] });
  });

  it('cuts the connection for a while', async () => {
    expect(await call('drop', { instance_id: 'one', seconds: 0.2 })).toMatchObject({ status: 200 });
    expect(bed.sandbox.network.linked()).toMatchObject([{ online: false }]);
    await until(() => bed.sandbox.network.linked()[0]?.online);
  });

  it.each([
    ['an unknown instance', 'unlink', { instance_id: 'none' }, 404, 'no instance'],
    ['a missing field', 'receive', { instance_id: 'one', text: 'x' }, 400, 'from is missing'],
    ['broken JSON', 'receive', '{', 400, 'not JSON'],
    ['no text and no media', 'receive', { instance_id: 'one', from: ANN }, 400, 'text or media'],
    [
      'a number that does not exist',
      'receive',
      { instance_id: 'one', from: '9991234567', text: 'x' },
      400,
      'not on WhatsApp',
    ],
    [
      'media that is not base64',
      'receive',
      { instance_id: 'one', from: ANN, media: { data: '***', mime_type: 'a/b' } },
      400,
      'base64',
    ],
    ['an endless drop', 'drop', { instance_id: 'one', seconds: 1e9 }, 400, 'seconds'],
    ['an ack that does not exist', 'acks', { acks: 7 }, 400, 'acks must be'],
  ])('refuses %s with a reason', async (_case, path, fields, status, reason) => {
    const answer = await call(path, fields);
    expect(answer.status).toBe(status);
    expect((answer.body as { error: string }).error).toContain(reason);
  });

  it('does not answer to other sites, to names that could be theirs, or to forms', async () => {
    expect((await call('state', undefined, { origin: 'https://evil.example' })).status).toBe(403);
    expect(
      (await call('receive', { instance_id: 'one', from: ANN, text: 'x' }, { 'content-type': 'text/plain' })).status,
    ).toBe(400);
    const { port } = server.address() as AddressInfo;
    const status = await new Promise((resolve, reject) => {
      get({ port, host: '127.0.0.1', path: '/sandbox', headers: { host: `evil.example:${port}` } }, (response) =>
        resolve(response.resume().statusCode),
      ).on('error', reject);
    });
    expect(status).toBe(403);
  });
});

describe('the phone simulator', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch({
      executablePath: browserPath,
      headless: browserPath.endsWith('headless-shell') ? 'shell' : true,
      pipe: true,
      args: ['--no-sandbox'],
      defaultViewport: { width: 1280, height: 800 },
    });
  });
  afterAll(() => browser.close());

  it('shows conversations as text and writes back as the other person', async () => {
    await client.sendMessage(`${ANN}@c.us`, EVIL);
    await call('receive', { instance_id: 'one', from: ANN, name: EVIL, text: EVIL });
    const [page] = await browser.pages();
    const errors: unknown[] = [];
    page?.on('pageerror', (error) => errors.push(error));
    page?.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page?.goto(`${base}/sandbox`);
    await (await page?.waitForSelector('.chat'))?.click();
    await page?.waitForFunction((text) => document.querySelector('#stream')?.textContent?.includes(text), {}, EVIL);
    expect(await page?.title()).toBe('Phone simulator');
    const coming = once(client, 'message');
    await page?.type('#text', 'written back');
    await page?.keyboard.press('Enter');
    expect((await coming)[0]).toMatchObject({ body: 'written back' });
    await page?.waitForFunction(() => document.querySelector('#stream')?.textContent?.includes('written back'));
    page?.once('dialog', (dialog) => void dialog.accept('said better'));
    await page?.$$eval('.bubble:last-child .acts button', ([react, edit]) => {
      (react as HTMLElement).click();
      (edit as HTMLElement).click();
    });
    await page?.waitForFunction(() =>
      /said better.*👍.*edited/.test(document.querySelector('#stream')?.textContent ?? ''),
    );
    await page?.click('#own');
    await page?.type('#text', 'from the phone itself');
    await page?.keyboard.press('Enter');
    await page?.waitForFunction(() =>
      document.querySelector('.bubble.own:last-child')?.textContent?.includes('itself'),
    );
    await page?.$eval('.bubble:last-child .acts button:last-child', (remove) => (remove as HTMLElement).click());
    await page?.waitForFunction(() => document.querySelector('.bubble:last-child')?.textContent?.includes('Deleted'));
    const path = process.env['SIMULATOR_PICTURE'];
    if (path) await page?.screenshot({ path: path as `${string}.png` });
    expect(errors).toEqual([]);
  });

  it('unlinks the device', async () => {
    const gone = once(client, 'disconnected');
    expect(await call('unlink', { instance_id: 'one' })).toMatchObject({ status: 200 });
    await gone;
    expect(await call('unlink', { instance_id: 'one' })).toMatchObject({ status: 400 });
    await until(() => qr);
  });

  it('shows a newly linked phone without a name once, and that it has no messages yet', async () => {
    const page = await browser.newPage();
    const shows = (selector: string, text: string) =>
      page.waitForFunction((at, wanted) => document.querySelector(at)?.textContent === wanted, {}, selector, text);
    await page.goto(`${base}/sandbox`);
    await shows('#chats', 'Link an instance to see its chats.');
    await call('link', { instance_id: 'one', phone_number: '491700000009' });
    await shows('.card > .quiet', '+491700000009');
    await shows('#chats', 'No messages yet.');
  });
});
