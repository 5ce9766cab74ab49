import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bed, openBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import { phones } from '../support/campaigns.ts';
import { type Answer, key, secret, type TestGateway } from '../support/gateway.ts';

const whatsapp = 'wap_bridge.api.whatsapp';
const campaigns = 'wap_bridge.api.campaigns';

forEachDatabase((open) => {
  describe('Idempotency-Key', () => {
    let bed: Bed;
    let gateway: TestGateway;
    let instance_id: string;
    let serial = 0;

    // An instance that is not linked: everything is queued and stays so.
    beforeAll(async () => {
      bed = await openBed(open);
      ({ gateway } = bed);
      const created = await gateway.call('wap_bridge.api.instances.create_instance', { default_country: 'TZ' });
      instance_id = created.json.instance_id;
    });
    afterAll(() => bed?.close());

    const newKey = () => `key-${(serial += 1)}`;
    const call = (method: string, body: Record<string, unknown>, idempotencyKey: string) =>
      gateway.call(method, { instance_id, ...body }, { 'Idempotency-Key': idempotencyKey });
    const count = async (table: string) => {
      const { database } = bed.db;
      return Number(((await database.knex(table).count({ rows: '*' })) as { rows: number }[])[0]!.rows);
    };

    /** Every route that sends, now or in bulk, with two bodies that differ. */
    const routes: [string, () => Promise<Record<string, unknown>>, Record<string, unknown>][] = [
      [
        `${whatsapp}.send_api_message`,
        async () => ({
          to_number: '0757111111',
          message: 'hi',
          send_at: new Date(Date.now() + 3_600_000).toISOString(),
        }),
        { message: 'other' },
      ],
      [
        `${whatsapp}.erpnext_notification_gateway`,
        async () => ({ to_number: '0757111111, 0757222222', message: 'hi' }),
        { to_number: '0757111111' },
      ],
      [
        `${campaigns}.create_and_start_campaign`,
        async () => ({ message: 'Hi', recipients: ['0757111111', '0757111111', 'none'], quiet_hours: false }),
        { recipients: ['0757111111'] },
      ],
      [
        `${campaigns}.add_campaign_recipients`,
        async () => {
          const made = await call(
            `${campaigns}.create_and_start_campaign`,
            { message: 'Hi', recipients: ['0757111111'] },
            newKey(),
          );
          return { campaign: made.json.campaign, recipients: ['0757111111', '0757222222', '12'] };
        },
        { recipients: ['0757333333'] },
      ],
    ];

    it.each(routes)(
      'does once what is asked of %s again and again, one after another',
      async (method, bodyOf, other) => {
        const body = await bodyOf();
        const idempotencyKey = newKey();
        const first = await call(method, body, idempotencyKey);
        expect(first).toMatchObject({ status: 200, json: { ok: true } });
        const before = await counts();
        const reordered = Object.fromEntries(Object.entries(body).toReversed());
        for (const again of [body, reordered])
          expect((await call(method, again, idempotencyKey)).json).toEqual(first.json);
        const refused = await call(method, { ...body, ...other }, idempotencyKey);
        expect(refused).toMatchObject({
          status: 409,
          json: { code: 'idempotency_conflict', exc_type: 'DuplicateEntryError' },
        });
        expect(await counts()).toEqual(before);
        expect((await call(method, body, newKey())).status).toBe(200);
      },
    );

    it.each(routes)('does once what is asked of %s many times at once', async (method, bodyOf) => {
      const body = await bodyOf();
      const [messagesBefore, , campaignsBefore] = await counts();
      const idempotencyKey = newKey();
      const answers: Answer[] = await Promise.all(Array.from({ length: 8 }, () => call(method, body, idempotencyKey)));
      for (const answer of answers) expect(answer).toMatchObject({ status: 200, json: answers[0]!.json });
      const [messages, , made] = await counts();
      expect(messages! - messagesBefore!).toBe(answers[0]!.json.ids?.length ?? (method.includes('whatsapp') ? 1 : 0));
      expect(made! - campaignsBefore!).toBe(method.endsWith('create_and_start_campaign') ? 1 : 0);
      const { campaign } = answers[0]!.json;
      if (!campaign) return;
      const status = await call(`${campaigns}.campaign_status`, { campaign }, newKey());
      expect(status.json.total).toBe(answers[0]!.json.total);
      expect(
        Number(
          (
            (await bed.db.database
              .knex('campaign_recipients')
              .where({ campaign_id: Number(campaign.slice(8)) })
              .count({ rows: '*' })) as { rows: number }[]
          )[0]!.rows,
        ),
      ).toBe(status.json.total);
    });

    async function counts(): Promise<number[]> {
      return Promise.all(['messages', 'campaign_recipients', 'campaigns'].map(count));
    }

    it('knows a long list by its content, however it is sent', async () => {
      const recipients = phones(5_000).map((phone_number, index) => ({ phone_number, name: `Name ${index}` }));
      const body = { message: 'Hi {{name}}', recipients };
      const idempotencyKey = newKey();
      const first = await call(`${campaigns}.create_and_start_campaign`, body, idempotencyKey);
      expect(first.json).toMatchObject({ total: 5_000 });
      expect((await call(`${campaigns}.create_and_start_campaign`, body, idempotencyKey)).json).toEqual(first.json);
      const changed = recipients.with(4_321, { ...recipients[4_321]!, name: 'Asha' });
      expect(
        (await call(`${campaigns}.create_and_start_campaign`, { ...body, recipients: changed }, idempotencyKey)).status,
      ).toBe(409);
    });

    it('knows a CSV upload by its content', async () => {
      const idempotencyKey = newKey();
      const upload = async (csv: string) => {
        const form = new FormData();
        form.set('instance_id', instance_id);
        form.set('message', 'Hi {{name}}');
        form.set('recipients', new Blob([csv], { type: 'text/csv' }), 'list.csv');
        const response = await fetch(`${gateway.app.url}/api/method/${campaigns}.create_and_start_campaign`, {
          method: 'POST',
          headers: { Authorization: `token ${key}:${secret}`, 'Idempotency-Key': idempotencyKey },
          body: form,
        });
        return { status: response.status, json: (await response.json()) as { campaign: string } };
      };
      const first = await upload('phone,name\n0757111111,Asha\n');
      expect(first.status).toBe(200);
      expect((await upload('phone,name\n0757111111,Asha\n')).json.campaign).toBe(first.json.campaign);
      expect((await upload('phone,name\n0757111111,Ali\n')).status).toBe(409);
    });

    it('lets a call that was refused be asked again with the same key', async () => {
      const idempotencyKey = newKey();
      const method = `${campaigns}.create_and_start_campaign`;
      expect((await call(method, { message: 'Hi', recipients: ['nobody'] }, idempotencyKey)).status).toBe(417);
      expect((await call(method, { message: 'Hi', recipients: ['0757111111'] }, idempotencyKey)).status).toBe(200);
    });
  });
});
