import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cli, type GatewayCall, startGatewayStub } from './support.ts';

const instanceId = 'INST-01-0000142';
let dir: string;
let stub: Awaited<ReturnType<typeof startGatewayStub>>;
let env: Record<string, string>;

const history = [
  {
    id: '2',
    at: '2026-11-21T10:00:00.000Z',
    status: 'failed',
    action: 'browser_failed',
    reason: 'The browser has ended',
  },
  { id: '1', at: '2026-11-21T09:00:00.000Z', status: 'ready', action: null, reason: null },
];
const answer = (call: GatewayCall) => ({
  ok: true,
  instance_id: instanceId,
  status: 'ready',
  missing_features: ['block'],
  features: {
    send_text: { ok: true },
    block: { ok: false, missing: ['WAWebBlockContactAction'] },
    labels: { ok: false, missing: ['WAWebLabels'] },
  },
  shims: [
    { name: 'ids', result: 'applied' },
    { name: 'chats', result: 'not_needed' },
    { name: 'media', result: 'failed', error: 'gone' },
  ],
  profile_bytes: 3 * 1024 * 1024,
  queue: { waiting: 4, scheduled: 0, oldest_at: null },
  browser: {
    version: 'HeadlessChrome/156.0',
    page: { connection: 'CONNECTED', answered_in_ms: 3 },
    screenshot: call.params.screenshot ? Buffer.from('picture').toString('base64') : null,
  },
  history,
  failed_messages: [{ message: '3EB0AA', status: 'failed', reason: 'not_on_whatsapp', created_at: 'then' }],
});

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-diagnosis-'));
  stub = await startGatewayStub((call) => {
    const body = call.method === 'instances.diagnose' ? answer(call) : { ok: true, history };
    return { body: { ...body, message: body } };
  });
  env = { PORT: String(stub.port), DATA_DIR: dir, DATABASE_URL: `sqlite:${join(dir, 'db')}` };
});
afterEach(async () => {
  await stub.close();
  await rm(dir, { recursive: true, force: true });
});

it('shows everything in sections', async () => {
  const { status, out } = await cli(['instance', 'diagnose', instanceId], env);
  expect(status).toBe(0);
  expect(out).toMatch(/Instance\n {2}instance id +INST-01-0000142\n {2}status +ready\n {2}profile bytes +3 MiB\n/);
  expect(out).toMatch(/What the page lacks\n {2}block: WAWebBlockContactAction\n\n/);
  expect(out).toMatch(/What is mended in the page\n {2}ids: applied\n {2}media: gone\n\n/);
  for (const fine of ['send text', 'labels', 'chats', 'screenshot']) expect(out).not.toContain(fine);
  expect(out).toMatch(/Queue\n {2}waiting +4\n/);
  expect(out).toMatch(/page connection +CONNECTED/);
  expect(out).toMatch(/2026-11-21T10:00:00.000Z +failed +browser_failed +The browser has ended/);
  expect(out).toMatch(/3EB0AA +failed +not_on_whatsapp/);
  expect(stub.calls[0]).toMatchObject({ params: { instance_id: instanceId, screenshot: false } });
});

it('saves the picture of the page where only its owner can read it', async () => {
  const file = join(dir, 'page.png');
  const { err, out } = await cli(['instance', 'diagnose', instanceId, '--screenshot', file, '--json'], env);
  expect(await readFile(file, 'utf8')).toBe('picture');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(err).toBe(`The page is pictured in ${file}.`);
  expect(JSON.parse(out)).toMatchObject({ status: 'ready', browser: { version: 'HeadlessChrome/156.0' } });
  expect(out).not.toContain('screenshot');
});

it('lists changes of state', async () => {
  const { out } = await cli(['instance', 'events', instanceId, '--limit', '2'], env);
  expect(out.split('\n')).toHaveLength(3);
  expect(stub.calls[0]).toMatchObject({ method: 'instances.instance_history', params: { limit: '2' } });
});
