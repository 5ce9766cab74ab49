import { expect, it } from 'vitest';
import { cli } from '../cli/support.ts';
import { useBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';

forEachDatabase((open) => {
  const bed = useBed(open);

  it('leaves alone what holds for the other numbers of the account', async () => {
    const { instance_id } = (await bed.gateway.call('wap_bridge.api.instances.create_instance', {})).json;
    const env = { DATA_DIR: bed.gateway.dataDir, DATABASE_URL: bed.db.url, PORT: String(bed.gateway.app.port) };
    const { out } = await cli(['token', 'create', '--title', 'Shop', '--instance', instance_id], env);
    const authorization = /token \S+:\S+/.exec(out)![0];
    const numbers = ['+255757123456'];
    await bed.gateway.call('wap_bridge.api.campaigns.add_opt_outs', { numbers });

    const refused: [string, object][] = [
      ['campaigns.list_opt_outs', {}],
      ['campaigns.add_opt_outs', { numbers: ['+255757123457'] }],
      ['campaigns.remove_opt_outs', { numbers }],
      ['settings.set_opt_out_words', { stop: ['never'] }],
      ['settings.set_opt_out_words', {}],
      ['instances.create_instance', {}],
    ];
    for (const [method, body] of refused) {
      const { status, json } = await bed.gateway.call(
        `wap_bridge.api.${method}`,
        { ...body },
        { Authorization: authorization },
      );
      expect(status, method).toBe(403);
      expect(json.message).toContain('bound to one instance');
    }
    const { opt_outs } = (await bed.gateway.call('wap_bridge.api.campaigns.list_opt_outs')).json;
    expect(opt_outs.map(({ phone_number }: { phone_number: string }) => phone_number)).toEqual(['255757123456']);
    const words = (
      await bed.gateway.call('wap_bridge.api.settings.get_opt_out_words', {}, { Authorization: authorization })
    ).json;
    expect(words.stop).toContain('unsubscribe');
  });
});
