import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/model/errors.ts';
import { type TestGateway, type TestGatewayOptions, request, startGateway } from '../dialects/gateway.ts';

let gateway: TestGateway | undefined;
afterEach(() => gateway?.close());

async function start(options: TestGatewayOptions = {}): Promise<TestGateway> {
  return (gateway = await startGateway(options));
}

/** The status of `/readyz` and its body. */
async function ready({ url }: TestGateway, query = ''): Promise<[number, unknown]> {
  const { status, body } = await request(`${url}/readyz${query}`);
  return [status, body];
}

describe('liveness', () => {
  it('is well while the process answers, whatever the checks say', async () => {
    const { url } = await start({ readyCheck: () => Promise.reject(new Error('gone')) });
    expect((await request(`${url}/healthz`)).body).toEqual({ status: 'ok' });
    expect((await request(`${url}/healthz`, { method: 'HEAD' })).status).toBe(200);
  });
});

describe('readiness', () => {
  it('is there while its checks pass', async () => {
    expect(await ready(await start())).toEqual([200, { status: 'ready' }]);
  });

  it('names what fails, with the reason only when it is meant for everybody', async () => {
    const checks = {
      database: () => Promise.reject(new Error('root@10.0.0.7 refused')),
      disk: () => Promise.reject(new GatewayError('unavailable', 'DATA_DIR has 3 MiB left')),
      browser: () => Promise.resolve(),
    };
    expect(await ready(await start({ health: { checks } }))).toEqual([
      503,
      {
        status: 'not_ready',
        failing: ['database', 'disk'],
        reasons: { database: 'failed', disk: 'DATA_DIR has 3 MiB left' },
      },
    ]);
  });

  it('fails when a check throws at once or never ends', async () => {
    const checks = {
      thrown: () => {
        throw new Error('at once');
      },
      endless: () => new Promise(() => undefined),
    };
    expect(await ready(await start({ health: { checks } }))).toMatchObject([
      503,
      { failing: ['thrown', 'endless'], reasons: { thrown: 'failed', endless: 'does not answer' } },
    ]);
  });

  it('asks once for callers that come together, and again a moment later', async () => {
    let asked = 0;
    const started = await start({ readyCheck: async () => (asked += 1) });
    await Promise.all(Array.from({ length: 20 }, () => ready(started)));
    expect(asked).toBe(1);
    await sleep(1_050);
    await ready(started);
    expect(asked).toBe(2);
  });

  it('is over as soon as the gateway is being stopped', async () => {
    let closing = false;
    const started = await start({ health: { isClosing: () => closing } });
    expect((await ready(started))[0]).toBe(200);
    closing = true;
    expect(await ready(started)).toMatchObject([503, { failing: ['shutdown'] }]);
  });

  it('tells the states of instances, and takes missing ones as a failure only when asked to', async () => {
    const states = { ready: 2, qr: 1 };
    const started = await start({ health: { instances: () => Promise.resolve({ states, missing: 1 }) } });
    expect(await ready(started)).toEqual([200, { status: 'ready', instances: states }]);
    expect(await ready(started, '?instances=0')).toMatchObject([200, {}]);
    expect(await ready(started, '?instances=1')).toEqual([
      503,
      {
        status: 'not_ready',
        failing: ['instances'],
        reasons: { instances: '1 that should be ready are not' },
        instances: states,
      },
    ]);
  });
});
