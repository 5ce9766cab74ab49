import { describe, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { useBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import type { Answer } from '../support/gateway.ts';

const friend = '255757123456';
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const api = 'wap_bridge.api';

forEachDatabase((open) => {
  describe('a page that lacks something', () => {
    const bed = useBed(open);
    let instanceId: string;

    /** Gives the instance a page with these changes, as a later version of WhatsApp Web would. */
    async function pageChanges(drift: string[]): Promise<void> {
      const answer = await fetch(`${bed.gateway.app.url}/sandbox/api/drift`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ drift }),
      });
      expect(await answer.json()).toEqual({ drift });
      if (!instanceId) return;
      await bed.gateway.call(`${api}.instances.disconnect`, { instance_id: instanceId });
      await bed.gateway.call(`${api}.instances.connect`, { instance_id: instanceId });
      await bed.gateway.waitUntilReady(instanceId);
    }

    const sendText = (): Promise<Answer> =>
      bed.gateway.call(`${api}.whatsapp.send_api_message`, { to_number: `+${friend}`, message: 'now' });
    const arrived = (text: string) =>
      bed.gateway.app.sandbox!.network.messages({ phone: friend }).filter((message) => message.text === text);

    it('refuses what it cannot do with 501 and the reason, and does everything else', async () => {
      instanceId = '';
      await pageChanges(['module-gone:WAWebQueryExistsJob', 'module-gone:WAWebPrepRawMedia']);
      instanceId = await bed.gateway.link('255757000001');

      const checked = await bed.gateway.call(`${api}.whatsapp.check_numbers`, { numbers: [`+${friend}`] });
      expect(checked).toMatchObject({
        status: 501,
        json: { exc_type: 'NotImplementedError', code: 'feature_unavailable' },
      });
      expect(checked.json.message).toMatch(/Checking numbers.*2\.3000.*WAWebQueryExistsJob/);
      const picture = await bed.gateway.call(`${api}.whatsapp.send_api_message`, {
        to_number: `+${friend}`,
        media_data: png,
        media_type: 'image/png',
      });
      expect(picture).toMatchObject({ status: 501, json: { code: 'feature_unavailable' } });
      expect(await sendText()).toMatchObject({ status: 200, json: { ok: true } });
      await until('the text has arrived', () => arrived('now').length === 1);
      expect(bed.gateway.app.sandbox!.network.messages({ phone: friend })).toHaveLength(1);

      const { json } = await bed.gateway.call(`${api}.instances.instance_status`, { instance_id: instanceId });
      expect(json).toMatchObject({
        missing_features: expect.arrayContaining(['check_numbers', 'send_media']),
        features: {
          send_text: { ok: true },
          check_numbers: { ok: false, missing: ['WAWebQueryExistsJob'] },
          send_media: { ok: false, missing: ['WAWebPrepRawMedia'] },
        },
        shims: expect.arrayContaining([{ name: 'send-results', result: 'applied' }]),
      });
      expect(json.missing_features).not.toContain('send_text');
    });

    it('keeps queued what it cannot send, says why, and sends it once on a later page', async () => {
      instanceId = await bed.gateway.link('255757000001');
      await pageChanges(['module-gone:WAWebGetEphemeralFieldsMsgActionsUtils']);
      const taken = await bed.gateway.call(`${api}.whatsapp.erpnext_notification_gateway`, {
        to_number: `+${friend}`,
        message: 'later',
      });
      expect(taken).toMatchObject({ status: 200, json: { status: 'queued' } });
      expect(await sendText()).toMatchObject({ status: 501, json: { code: 'feature_unavailable' } });
      const status = async () =>
        (await bed.gateway.call(`${api}.whatsapp.message_status`, { id: taken.json.service.id })).json;
      expect(await status()).toMatchObject({ status: 'queued', reason: 'feature_unavailable' });

      await pageChanges([]);
      await until('it is read', async () => (await status()).status === 'read');
      expect(arrived('later')).toMatchObject([{ repeats: 0 }]);
      expect(arrived('now')).toEqual([]);
      expect(await sendText()).toMatchObject({ status: 200 });
    });

    it('is linked by QR code where linking by code is gone', async () => {
      instanceId = '';
      await pageChanges(['module-gone:WAWebAltDeviceLinkingApi']);
      const { json } = await bed.gateway.call(`${api}.instances.create_instance`, {});
      const id = json.instance_id as string;
      const { json: shown } = await bed.gateway.call(`${api}.instances.get_qr`, { instance_id: id });
      const asked = await bed.gateway.call(`${api}.instances.request_pairing_code`, {
        instance_id: id,
        phone_number: '+255757000001',
      });
      expect(asked).toMatchObject({ status: 501, json: { code: 'feature_unavailable' } });
      expect(asked.json.message).toContain('WAWebAltDeviceLinkingApi.setPairingType');
      await bed.gateway.app.sandbox!.network.link(shown.qr, { phone: '255757000001' });
      await bed.gateway.waitUntilReady(id);
    });
  });
});
