import { expect, it } from 'vitest';
import { browsersIn } from '../support/browsers.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase } from '../support/database.ts';
import { startGateway } from '../support/gateway.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';
import { rawRequest } from '../http/raw.ts';

const own = '255757000001';
const body = JSON.stringify({ numbers: ['255757123456'] });

forEachDatabase((open, engine) => {
  it('does what a call asks that began before the gateway was stopped', async () => {
    const database = await open();
    const gateway = await startGateway(database.url);
    const { port } = gateway.app;
    let restarted: Promise<void> | undefined;
    const head = [
      'POST /api/method/wap_bridge.api.campaigns.add_opt_outs HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      `Authorization: token ${gateway.token}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      '\r\n',
    ].join('\r\n');

    const reply = await rawRequest(port, head, async (socket) => {
      // It is known who calls once half of the body is awaited; the rest comes when nobody else is served any more.
      socket.write(body.slice(0, 10));
      await until('the call is read', () => fetch(`http://127.0.0.1:${port}/readyz`).then(({ ok }) => ok));
      restarted = gateway.restart();
      await until('nobody else is served', () =>
        fetch(`http://127.0.0.1:${port}/healthz`).then(
          () => false,
          () => true,
        ),
      );
      socket.write(body.slice(10));
    });
    expect(reply).toMatchObject({ status: 200, body: { ok: true } });
    await restarted;
    const { json } = await gateway.call('wap_bridge.api.campaigns.list_opt_outs');
    expect(json.opt_outs).toMatchObject([{ phone_number: '255757123456' }]);
    await gateway.stop();
    await database.drop();
  });

  it.skipIf(engine === 'sqlite')(
    'ends in time beside a database that hangs, and loses nothing that it was told',
    async () => {
      const database = await open();
      const { hostname, port, username, pathname } = new URL(database.url);
      const proxy = await startStallingProxy({ host: hostname, port: Number(port || 3306) });
      const lines: string[] = [];
      const gateway = await startGateway(
        `mysql://${username}@127.0.0.1:${proxy.port}${pathname}`,
        { DATABASE_TIMEOUT_MS: '4000', LOG_LEVEL: 'error' },
        { closeMs: 5_000, logTo: (line) => void lines.push(line) },
      );
      const instanceId = await gateway.link(own);
      const mark = async () => (await database.database.knex('instances').first('last_event_at')).last_event_at;
      await until('it is known that nothing was missed', async () => (await mark()) !== null);
      proxy.stall('all');
      gateway.app.sandbox!.network.receive({ to: own, from: '255757123456', text: 'Hello' });
      await until('it could not be written', () => lines.some((line) => line.includes('received messages could not')));
      const startedAt = performance.now();
      await gateway.app.close();
      expect(performance.now() - startedAt).toBeLessThan(25_000);
      expect(browsersIn(gateway.dataDir)).toEqual([]);
      proxy.resume();
      await gateway.restart();
      await gateway.waitUntilReady(instanceId);
      const told = async () => (await database.database.knex('messages').where({ direction: 'in' })).length;
      await until('it is told', async () => (await told()) > 0);
      await gateway.stop();
      expect(await told()).toBe(1);
      await proxy.close();
      await database.drop();
    },
  );
});
