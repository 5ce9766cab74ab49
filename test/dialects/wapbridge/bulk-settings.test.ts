import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestGateway, rpc, startGateway } from '../gateway.ts';
import { campaigns } from './campaign-calls.ts';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

describe('opt-outs', () => {
  it('are added, listed and removed', async () => {
    const numbers = ['0757 111 111', '+255757222222'];
    expect((await rpc(gateway, `${campaigns}.add_opt_outs`, { numbers, country: 'TZ' })).body.phone_numbers).toEqual([
      '255757111111',
      '255757222222',
    ]);
    const listed = await rpc(gateway, `${campaigns}.list_opt_outs`, { limit: 1 });
    expect(listed.body).toMatchObject({
      opt_outs: [{ phone_number: '255757111111', source: 'api', opted_out_at: '2026-01-07T13:14:00.000Z' }],
      next: '255757111111',
    });
    await rpc(gateway, `${campaigns}.remove_opt_outs`, { numbers: '255757111111' });
    expect((await rpc(gateway, `${campaigns}.list_opt_outs`, {})).body.opt_outs).toHaveLength(1);
    expect((await rpc(gateway, `${campaigns}.add_opt_outs`, { numbers: ['x'] })).status).toBe(417);
  });

  it('go by words that the account can set', async () => {
    const settings = 'wap_bridge.api.settings';
    expect((await rpc(gateway, `${settings}.get_opt_out_words`, {})).body.stop).toContain('stop');
    const set = await rpc(gateway, `${settings}.set_opt_out_words`, { stop: ['NO PROMO'], confirmation: false });
    expect(set.body).toMatchObject({ stop: ['NO PROMO'], confirmation: null });
    expect(set.body.start).toContain('start');
    expect((await rpc(gateway, `${settings}.set_opt_out_words`, {})).body.stop).toContain('stop');
  });
});

describe('the pacing of an instance', () => {
  const settings = 'wap_bridge.api.settings';

  it('is shown and set in seconds', async () => {
    const instance_id = 'INST-01-0000142';
    expect((await rpc(gateway, `${settings}.get_pacing`, { instance_id })).body).toMatchObject({
      instance_id,
      pacing: { median_seconds: 30, min_seconds: 8, max_seconds: 150, daily_cap: 300, new_chat_cap: 60, warm_up: true },
    });
    const set = await rpc(gateway, `${settings}.set_pacing`, { instance_id, pacing: { daily_cap: 500 } });
    expect(set.body).toMatchObject({ pacing: { daily_cap: 500, median_seconds: 30 }, warnings: [] });
    const reset = await rpc(gateway, `${settings}.set_pacing`, { instance_id, pacing: null });
    expect(reset.body.pacing.daily_cap).toBe(300);
    expect((await rpc(gateway, `${settings}.set_pacing`, { instance_id })).body.exc_type).toBe('MandatoryError');
  });
});
