import { expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { forEachDatabase } from '../support/database.ts';
import { startGateway } from '../support/gateway.ts';
import { rawRequest } from '../http/raw.ts';

const body = JSON.stringify({ numbers: ['255757123456'] });

forEachDatabase((open) => {
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
});
