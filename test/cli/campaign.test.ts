import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cli, startGatewayStub } from './support.ts';

const promo = {
  campaign: 'WAP-CAM-0001',
  campaign_name: 'Promo',
  instance_id: 'INST-01-0000142',
  status: 'running',
  hold: 'quiet_hours',
  total: 10,
  queued: 4,
  sent: 5,
  failed: 1,
  eta_at: null,
};

let dir: string;
let gateway: Awaited<ReturnType<typeof startGatewayStub>>;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-cli-'));
  gateway = await startGatewayStub(({ method }) => {
    if (method === 'campaigns.list_campaigns') return { body: { ok: true, campaigns: [promo] } };
    return { body: { ok: true, ...promo, ...(method === 'campaigns.pause_campaign' && { status: 'paused' }) } };
  });
});
afterEach(async () => {
  await gateway.close();
  await rm(dir, { recursive: true });
});

const run = (...words: string[]) =>
  cli(['campaign', ...words], {
    DATA_DIR: dir,
    DATABASE_URL: `sqlite:${join(dir, 'w.db')}`,
    PORT: String(gateway.port),
  });

describe('campaign', () => {
  it('lists the latest in columns', async () => {
    const { status, out } = await run('list');
    expect(status).toBe(0);
    expect(out.split('\n')[1]).toMatch(/^WAP-CAM-0001 +running +quiet_hours +10 +4 +5 +1 +Promo$/);
  });

  it('shows one, line by line', async () => {
    const { out } = await run('status', 'WAP-CAM-0001');
    expect(out).toMatch(/^status +running$/m);
    expect(out).toMatch(/^eta_at +-$/m);
    expect(gateway.calls[0]).toMatchObject({
      method: 'campaigns.campaign_status',
      params: { campaign: 'WAP-CAM-0001' },
    });
  });

  it.each([
    ['pause', 'paused'],
    ['resume', 'running'],
    ['cancel', 'running'],
  ])('%s says what the campaign is then', async (verb, state) => {
    expect(await run(verb, 'WAP-CAM-0001')).toMatchObject({ status: 0, out: `WAP-CAM-0001 is ${state}.` });
    expect(gateway.calls[0]?.method).toBe(`campaigns.${verb}_campaign`);
  });
});
