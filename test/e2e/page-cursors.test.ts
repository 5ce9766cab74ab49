import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bed, openBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import { cli } from '../cli/support.ts';

/** Every list that goes page by page, with the parameter that says where a page begins. */
const lists: [method: string, cursor: 'before' | 'after'][] = [
  ['whatsapp.list_messages', 'before'],
  ['instances.instance_history', 'before'],
  ['campaigns.list_campaigns', 'before'],
  ['campaigns.campaign_recipients', 'after'],
  ['campaigns.list_opt_outs', 'after'],
  ['settings.list_audit', 'before'],
  ['settings.list_webhook_deliveries', 'before'],
  ['settings.list_webhook_attempts', 'before'],
];

forEachDatabase((open) => {
  let bed: Bed;
  const call = (name: string, body: Record<string, unknown>) => bed.gateway.call(`wap_bridge.api.${name}`, body);
  const beside = { instance_id: '', campaign: 'WAP-CAM-0001' };

  beforeAll(async () => {
    bed = await openBed(open);
    beside.instance_id = (await call('instances.create_instance', {})).json.instance_id as string;
    await call('instances.disconnect', { instance_id: beside.instance_id });
    for (const _ of [1, 2]) {
      await call('settings.create_webhook', { url: bed.receiver.url });
      const campaign = { instance_id: beside.instance_id, message: 'hi', recipients: ['255757111111', '255757222222'] };
      await call('campaigns.create_and_start_campaign', campaign);
    }
    await call('campaigns.add_opt_outs', { numbers: ['255757111111', '255757222222'] });
  });
  afterAll(() => bed?.close());

  it.each(lists)('%s refuses a place in the list that no page has named', async (method, cursor) => {
    for (const place of ['made-up', 'PAGE 2', '01KAJ', 'zzzzzzzzzzzzzzzzzzzzzzzzzz', '-1']) {
      const { status, json } = await call(method, { ...beside, [cursor]: place });
      expect([place, status, json.code, json.fields]).toEqual([
        place,
        417,
        'invalid_input',
        { [cursor]: `${cursor} must be the next of the page before` },
      ]);
    }
  });

  it.each([
    ['campaigns.list_campaigns', 'campaigns', 'before'],
    ['campaigns.campaign_recipients', 'recipients', 'after'],
    ['campaigns.list_opt_outs', 'opt_outs', 'after'],
    ['settings.list_audit', 'entries', 'before'],
  ] as const)('%s takes the next of a page, and begins anew for an empty one', async (method, rows, cursor) => {
    const page = async (place: unknown) => (await call(method, { ...beside, limit: 1, [cursor]: place })).json;
    const first = await page('');
    const second = await page(first.next);
    expect(second[rows]).toHaveLength(1);
    expect(second[rows]).not.toEqual(first[rows]);
    expect((await page(null))[rows]).toEqual(first[rows]);
  });

  it('the command line says the same', async () => {
    const env = { DATABASE_URL: bed.db.url, DATA_DIR: bed.gateway.dataDir };
    const { status, err } = await cli(['audit', 'list', '--before', 'made-up'], env);
    expect(status).toBe(2);
    expect(err).toContain('--before is an ID as `audit list` shows it');
  });
});
