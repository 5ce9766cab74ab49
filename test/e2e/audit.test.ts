import { expect, it } from 'vitest';
import { cli } from '../cli/support.ts';
import { useBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import { key } from '../support/gateway.ts';

const day = 86_400_000;

forEachDatabase((open) => {
  const bed = useBed(open);

  const env = () => ({ DATA_DIR: bed.gateway.dataDir, DATABASE_URL: bed.db.url, PORT: String(bed.gateway.app.port) });
  const call = async (name: string, body: Record<string, unknown> = {}) => {
    const { status, json } = await bed.gateway.call(`wap_bridge.api.${name}`, body);
    expect(status, JSON.stringify(json)).toBe(200);
    return json.message;
  };
  const audit = async (filter: Record<string, unknown> = {}) => (await call('settings.list_audit', filter)).entries;

  it('writes down who changed a webhook, what, and from where, and no secret', async () => {
    const hidden = ['first-secret', 'second-secret', 'header-secret', 'query-secret'];
    const { webhook_id } = await call('settings.create_webhook', {
      url: 'http://127.0.0.1:9999/hook?key=query-secret',
      secret: hidden[0],
      headers: { 'X-Key': hidden[2] },
    });
    await call('settings.update_webhook', { webhook_id, secret: hidden[1], title: 'Desk', events: ['message.status'] });
    await call('settings.update_webhook', { webhook_id, title: 'Desk' });
    await call('settings.update_webhook', { webhook_id, secret: '' });
    await call('settings.delete_webhook', { webhook_id });

    const entries = await audit({ subject: webhook_id });
    expect(entries.map(({ action }: { action: string }) => action)).toEqual([
      'webhook.deleted',
      'webhook.secret_replaced',
      'webhook.secret_replaced',
      'webhook.updated',
      'webhook.created',
    ]);
    const by = { by: 'token', api_key: key, title: 'bootstrap', ip: '127.0.0.1', subject: webhook_id };
    for (const entry of entries) expect(entry).toMatchObject(by);
    const [, removed, replaced, updated, created] = entries;
    expect(created.changes).toMatchObject({
      url: { to: 'http://127.0.0.1:9999/hook?…' },
      headers: { to: ['x-key'] },
      secret: { to: 'set' },
    });
    expect(updated.changes).toEqual({
      title: { to: 'Desk' },
      events: { from: ['message.received'], to: ['message.status'] },
    });
    expect([replaced.changes, removed.changes]).toEqual([
      { secret: { from: 'set', to: 'set anew' } },
      { secret: { from: 'set' } },
    ]);
    const rows = JSON.stringify(await bed.db.database.knex('audit_log'));
    for (const secret of hidden) expect(rows).not.toContain(secret);
  });

  it('writes down the default webhook, pacing, opt-out words and opt-outs', async () => {
    await call('settings.set_webhook', { url: 'http://127.0.0.1:9999/a' });
    await call('settings.set_webhook', { url: 'http://127.0.0.1:9999/b' });
    await call('settings.set_webhook', { url: '' });
    await call('settings.set_webhook', { url: '' });
    const { instance_id } = await call('instances.create_instance', { title: 'Desk' });
    await call('settings.set_pacing', { instance_id, pacing: { daily_cap: 7 } });
    await call('settings.set_opt_out_words', { stop: ['NO'] });
    await call('campaigns.add_opt_outs', { numbers: ['+255757123456'] });
    await call('campaigns.remove_opt_outs', { numbers: ['+255757123456'] });
    await call('instances.disconnect', { instance_id });
    await call('instances.delete_instance', { instance_id });

    const entries = await audit();
    expect(entries.map(({ action }: { action: string }) => action).toReversed()).toEqual([
      'token.created',
      'webhook.created',
      'webhook.updated',
      'webhook.deleted',
      'instance.created',
      'pacing.changed',
      'opt_out_words.changed',
      'opt_outs.added',
      'opt_outs.removed',
      'instance.disconnected',
      'instance.deleted',
    ]);
    const named = (action: string) => entries.find((entry: { action: string }) => entry.action === action);
    expect(named('token.created')).toMatchObject({ by: 'gateway', subject: key, api_key: null, ip: null });
    expect(named('pacing.changed')).toMatchObject({ instance_id, changes: { daily_cap: { from: 300, to: 7 } } });
    expect(named('opt_out_words.changed').changes.stop.to).toEqual(['NO']);
    expect(named('opt_outs.removed').changes).toEqual({ phone_numbers: { from: ['255757123456'] } });
    expect((await audit({ instance_id })).map(({ action }: { action: string }) => action)).toEqual([
      'instance.deleted',
      'instance.disconnected',
      'pacing.changed',
      'instance.created',
    ]);
  });

  it('writes down which settings of an instance were changed, and of its proxy only that it was', async () => {
    const { instance_id } = await call('instances.create_instance', { title: 'Desk' });
    const change = (settings: object) => call('instances.update_instance', { instance_id, ...settings });
    await change({ title: 'Front desk', default_country: 'TZ', proxy_url: 'http://u:proxy-password@127.0.0.1:3128' });
    await change({ proxy_url: 'http://u:other-password@127.0.0.1:3128' });
    await change({ proxy_url: '' });
    const entries = await audit({ action: 'instance.updated' });
    expect(entries.map(({ changes }: { changes: object }) => changes).toReversed()).toEqual([
      { title: { from: 'Desk', to: 'Front desk' }, default_country: { to: 'TZ' }, proxy: { to: 'set' } },
      { proxy: { from: 'set', to: 'set anew' } },
      { proxy: { from: 'set' } },
    ]);
    expect(JSON.stringify(await bed.db.database.knex('audit_log'))).not.toContain('password');
  });

  it('tells the command line apart, names no token of a single command, and lets nobody borrow its name', async () => {
    const made = await cli(['token', 'create', '--title', 'ERPNext', '--scope', 'send'], env());
    const apiKey = /API key +(\S+)/.exec(made.out)?.[1] ?? '';
    await cli(['webhook', 'set', 'http://127.0.0.1:9999/cli'], env());
    await cli(['token', 'revoke', apiKey], env());
    expect(await cli(['token', 'create', '--title', 'command line'], env())).toMatchObject({ status: 1 });

    const entries = await audit({ action: ['token.created', 'token.revoked', 'webhook.created'] });
    expect(entries).toMatchObject([
      { action: 'token.revoked', by: 'command_line', subject: apiKey, ip: null },
      { action: 'webhook.created', by: 'command_line', api_key: null, ip: '127.0.0.1' },
      { action: 'token.created', by: 'command_line', subject: apiKey, changes: { scope: { to: 'send' } } },
      { action: 'token.created', by: 'gateway', subject: key },
    ]);
    const secret = /API secret +(\S+)/.exec(made.out)?.[1] ?? '-';
    expect(JSON.stringify(await bed.db.database.knex('audit_log'))).not.toContain(secret);

    const listed = await cli(['audit', 'list', '--subject', apiKey], env());
    expect(listed.out).toMatch(/token\.revoked +\S+ +command line.*\n.*token\.created/);
    // In UTC and saying so, as the API: what is printed can be typed again.
    const [revoked, , created] = entries as { at: string }[];
    expect(listed.out.split('\n').map((line) => line.split(' ')[0])).toEqual(['AT', revoked!.at, created!.at]);
    expect((await cli(['audit', 'list', '--since', revoked!.at], env())).out.split('\n')[1]).toContain(revoked!.at);
    const tokens = (await cli(['token', 'list', '--all'], env())).out.split('\n');
    expect(tokens.find((line) => line.startsWith(apiKey))).toMatch(
      /ERPNext +\d{4}-\d\d-\d\dT[\d:.]{12}Z +- +\d{4}-\d\d-\d\dT[\d:.]{12}Z$/,
    );
    expect(await cli(['audit', 'list', '--action', 'nonsense'], env())).toMatchObject({ status: 2 });
    expect(await cli(['audit', 'list', '--since', 'once'], env())).toMatchObject({ status: 2 });
    expect((await cli(['audit', 'list', '--key', 'nobody'], env())).err).toContain('Nothing');
  });

  it('shows a token of one instance what concerns that instance only, and a send token nothing', async () => {
    const [one, other] = [await call('instances.create_instance'), await call('instances.create_instance')];
    const { accounts, tokens } = bed.gateway.app.core;
    const { id: accountId } = await accounts.first();
    const bound = await tokens.create({ accountId, title: 'b', scope: 'full', instanceId: one.instance_id });
    const send = await tokens.create({ accountId, title: 's', scope: 'send' });
    const as = (token: typeof bound, body = {}) =>
      bed.gateway.call('wap_bridge.api.settings.list_audit', body, {
        Authorization: `token ${token.token.key}:${token.secret}`,
      });
    const seen = (await as(bound)).json.message.entries;
    expect(new Set(seen.map((entry: { instance_id: string }) => entry.instance_id))).toEqual(
      new Set([one.instance_id]),
    );
    expect((await as(bound, { instance_id: other.instance_id })).json.message.entries).toEqual([]);
    expect((await as(send)).status).toBe(403);
  });

  it('is read in pages, filtered, and pruned by age', async () => {
    for (let index = 0; index < 5; index++)
      await call('settings.set_webhook', { url: `http://127.0.0.1:9999/${index}` });
    const first = await call('settings.list_audit', { limit: 4 });
    const second = await call('settings.list_audit', { limit: 4, before: first.next });
    expect([first.entries.length, second.entries.length, second.next]).toEqual([4, 2, null]);
    const all = [...first.entries, ...second.entries].map(({ audit_id }: { audit_id: string }) => audit_id);
    expect(all).toEqual([...new Set(all)].toSorted().toReversed());
    expect(await audit({ since: new Date(Date.now() + day).toISOString() })).toEqual([]);
    expect(await audit({ api_key: key })).toHaveLength(5);
    expect((await bed.gateway.call('wap_bridge.api.settings.list_audit', { action: 'nonsense' })).status).toBe(417);

    const { audit: log } = bed.gateway.app.core;
    expect(await log.prune(Date.now() - day)).toBe(0);
    expect(await log.prune(Date.now() + day)).toBe(6);
    expect(await audit()).toEqual([]);
  });

  it('keeps neither the change nor its entry when one of them fails', async () => {
    await call('settings.set_webhook', { url: 'http://127.0.0.1:9999/kept' });
    await bed.db.database.knex.schema.renameTable('audit_log', 'audit_gone');
    expect(
      (await bed.gateway.call('wap_bridge.api.settings.set_webhook', { url: 'http://127.0.0.1:9999/new' })).status,
    ).toBe(500);
    expect((await bed.gateway.call('wap_bridge.api.settings.set_webhook', { url: '' })).status).toBe(500);
    await bed.db.database.knex.schema.renameTable('audit_gone', 'audit_log');
    expect((await call('settings.get_webhook')).url).toBe('http://127.0.0.1:9999/kept');
  });
});
