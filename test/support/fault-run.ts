import { join } from 'node:path';
import type { SupervisionLimits } from '../../src/core/supervisor/limits.ts';
import { accountCaller } from '../../src/model/token.ts';
import { browsersIn, isRunning, renderersOf } from './browsers.ts';
import { until } from './clock.ts';
import { startConnectProxy } from './connect-proxy.ts';
import { faultEnv, type FaultName, faultOf, needsDisk, type Target } from './faults.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { startReceiver } from './receiver.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';
import { startStallingProxy } from './stalling-proxy.ts';
import { beginTraffic, type Tally, type Traffic } from './traffic.ts';

/** What came of doing one fault again and again. */
export interface FaultReport extends Tally {
  fault: FaultName;
  times: number;
  /** From the fault until the gateway shows it, ms. */
  foundAfterMs: number[];
  /** From the fault until the instance is ready again without a new scan, ms. */
  readyAfterMs: number[];
}

/** What a tally says when nothing went wrong. */
export const faultless = {
  lost: [],
  uncertain: [],
  doubled: [],
  untold: [],
  toldTwice: [],
  disordered: [],
} satisfies Partial<Tally>;

const own = '255757000001';
const bystander = '255757000002';
const findWithinMs = 90_000;
const readyWithinMs = 120_000;
const lookEveryMs = 25;
const diskBytes = 512 * 2 ** 20;

/**
 * Does each fault so many times to one linked instance while messages go both ways through it, in real Chromium. A second instance stands
 * beside it: its restarts are counted, for it must not have any.
 */
export async function runFaults(input: {
  databaseUrl: string;
  names: FaultName[];
  times: number;
  supervision?: Partial<SupervisionLimits>;
}): Promise<{ reports: FaultReport[]; bystanderRestarts: number; survivors: number[] }> {
  const { databaseUrl, names, times, supervision = {} } = input;
  const gateway = await startGateway(databaseUrl, faultEnv, { supervision });
  const profiles = join(gateway.dataDir, 'profiles');
  const receiver = await startReceiver();
  const tunnels = await startConnectProxy();
  const way = await startStallingProxy({ host: '127.0.0.1', port: tunnels.port });
  const everSeen = new Set<number>();
  const reports: FaultReport[] = [];
  let disk: SmallDisk | null = null;
  let traffic: Traffic | null = null;
  try {
    if (names.some(needsDisk)) disk = await mountSmallDisk(profiles, diskBytes);
    await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url, events: ['message.received'] });
    const id = await gateway.link(own);
    const bystanderId = await gateway.link(bystander);
    const bystanderBrowser = browserOf(join(profiles, bystanderId));
    const target = await aim(gateway, { id, phone: own, way, wayUrl: `http://127.0.0.1:${way.port}`, disk });

    for (const name of names) {
      const fault = faultOf(name);
      await fault.prepare?.(target);
      const report = { fault: name, times, foundAfterMs: [] as number[], readyAfterMs: [] as number[] };
      traffic = beginTraffic({ gateway, receiver }, { instanceId: id, phone: own, name });
      const instance = () => gateway.app.core.instances.get(target.caller, id);
      const isReady = async () => {
        const { state } = await instance();
        if (state === 'qr') throw new Error(`${name}: a new scan is asked for`);
        return state === 'ready';
      };
      const { isFound = ({ state }) => state !== 'ready' } = fault;
      for (let time = 0; time < times; time += 1) {
        // A disk that was full can have damaged the profile: what only that knows is lost with it.
        if (time > 0) await traffic.caughtUp();
        await fault.before?.(target);
        // As if it had been steady for long: pauses would grow from fault to fault, and what no page sends is given up at last.
        await gateway.app.core.instances.connect(target.caller, id);
        await traffic.caughtUp();
        await pause(Math.random() * 500);
        await until(`ready before ${name}`, isReady, readyWithinMs, lookEveryMs);
        for (const pid of [target.browser(), ...renderersOf(target.browser())]) everSeen.add(pid);
        const startedAt = performance.now();
        await fault.begin(target);
        await until(`${name} is found`, async () => isFound(await instance()), findWithinMs, lookEveryMs);
        report.foundAfterMs.push(performance.now() - startedAt);
        await fault.pass?.(target);
        await until(`ready after ${name}`, isReady, readyWithinMs, lookEveryMs);
        report.readyAfterMs.push(performance.now() - startedAt);
      }
      reports.push({ ...report, ...(await traffic.settle()) });
    }
    const bystanderRestarts = browserOf(join(profiles, bystanderId)) === bystanderBrowser ? 0 : 1;
    await gateway.app.close();
    return { reports, bystanderRestarts, survivors: [...everSeen].filter(isRunning) };
  } finally {
    await traffic?.stop();
    await gateway.app.close();
    disk?.unmount();
    await gateway.stop();
    await way.close();
    await tunnels.close();
    await receiver.close();
  }
}

/** Completes the instance that the faults are done to. */
async function aim(
  gateway: TestGateway,
  parts: Pick<Target, 'id' | 'phone' | 'way' | 'wayUrl' | 'disk'>,
): Promise<Target> {
  const { instances, accounts } = gateway.app.core;
  const caller = accountCaller((await accounts.first()).id);
  const profileDir = join(gateway.dataDir, 'profiles', parts.id);
  return {
    ...parts,
    gateway,
    caller,
    profileDir,
    browser: () => browserOf(profileDir),
    async reopen() {
      await instances.disconnect(caller, parts.id);
      await instances.connect(caller, parts.id);
      await gateway.waitUntilReady(parts.id);
    },
  };
}

function browserOf(profileDir: string): number {
  const [browser] = browsersIn(profileDir);
  if (browser === undefined) throw new Error(`${profileDir} is not open in a browser`);
  return browser;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
