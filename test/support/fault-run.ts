import { join } from 'node:path';
import type { SupervisionLimits } from '../../src/core/supervisor/limits.ts';
import { accountCaller } from '../../src/model/token.ts';
import { browsersIn, isRunning, renderersOf } from './browsers.ts';
import { until } from './clock.ts';
import { startGateway, type TestGateway } from './gateway.ts';

/** What came of doing one fault again and again. */
interface FaultReport {
  fault: FaultName;
  times: number;
  /** From the fault until the instance is not ready any more, ms. */
  foundAfterMs: number[];
  /** From the fault until it is ready again without a new scan, ms. */
  readyAfterMs: number[];
  accepted: number;
  /** Accepted, but never arrived. */
  lost: string[];
  /** Arrived under more than one id. */
  doubled: string[];
}

/** What a fault works on. */
interface Target {
  gateway: TestGateway;
  phone: string;
  browser: number;
}

const cutMs = 4_000;

/** What can happen to a browser, and how it is done. */
export const faults = {
  'renderer killed': ({ browser }) => signal(renderersOf(browser), 'SIGKILL'),
  'renderer frozen': ({ browser }) => signal(renderersOf(browser), 'SIGSTOP'),
  'browser killed': ({ browser }) => signal([browser], 'SIGKILL'),
  'browser frozen': ({ browser }) => signal([browser], 'SIGSTOP'),
  'network blocked': ({ gateway, phone }) => gateway.app.sandbox!.network.drop(phone, cutMs),
} satisfies Record<string, (target: Target) => void>;

export type FaultName = keyof typeof faults;

const own = '255757000001';
const bystander = '255757000002';
const friend = '255757123456';
const findWithinMs = 90_000;
/** What has gathered in a minute of silence takes its time, too. */
const settleMs = 180_000;

/**
 * Does each fault so many times to one linked instance while messages are sent through it, in real Chromium. A second instance stands
 * beside it: its restarts are counted, for it must not have any.
 */
export async function runFaults(input: {
  databaseUrl: string;
  names: FaultName[];
  times: number;
  supervision?: Partial<SupervisionLimits>;
}): Promise<{ reports: FaultReport[]; bystanderRestarts: number; survivors: number[] }> {
  const { databaseUrl, names, times, supervision = {} } = input;
  const gateway = await startGateway(databaseUrl, {}, { supervision });
  const profiles = join(gateway.dataDir, 'profiles');
  const everSeen = new Set<number>();
  const reports: FaultReport[] = [];
  try {
    const instanceId = await gateway.link(own);
    const bystanderId = await gateway.link(bystander);
    const [bystanderBrowser] = browsersIn(join(profiles, bystanderId));
    const { core } = gateway.app;
    const caller = accountCaller((await core.accounts.first()).id);
    const stateOf = async () => (await core.instances.get(caller, instanceId)).state;

    for (const fault of names) {
      const report: FaultReport = {
        fault,
        times,
        foundAfterMs: [],
        readyAfterMs: [],
        accepted: 0,
        lost: [],
        doubled: [],
      };
      const load = sendThrough(gateway, { instanceId, name: fault });
      for (let time = 0; time < times; time += 1) {
        // As if it had been steady for long: pauses would grow from fault to fault.
        await core.instances.connect(caller, instanceId);
        await pause(100 + Math.random() * 400);
        const [browser] = browsersIn(join(profiles, instanceId));
        for (const pid of [browser!, ...renderersOf(browser!)]) everSeen.add(pid);
        const startedAt = performance.now();
        faults[fault]({ gateway, phone: own, browser: browser! });
        await until(`${fault} is found`, async () => (await stateOf()) !== 'ready', findWithinMs);
        report.foundAfterMs.push(performance.now() - startedAt);
        await until(`ready after ${fault}`, async () => (await stateOf()) === 'ready', findWithinMs);
        report.readyAfterMs.push(performance.now() - startedAt);
      }
      reports.push({ ...report, ...(await load.settle()) });
    }
    const bystanderRestarts = browsersIn(join(profiles, bystanderId))[0] === bystanderBrowser ? 0 : 1;
    await gateway.app.close();
    return { reports, bystanderRestarts, survivors: [...everSeen].filter(isRunning) };
  } finally {
    await gateway.stop();
  }
}

/** Sends texts one after another until it is told to settle; then tells what became of them. */
function sendThrough(gateway: TestGateway, { instanceId, name }: { instanceId: string; name: string }) {
  const accepted: string[] = [];
  const load = { isOver: false };
  const loop = (async () => {
    for (let serial = 0; !load.isOver; serial += 1) {
      const message = `${name} ${serial}`;
      const method = 'wap_bridge.api.whatsapp.erpnext_notification_gateway';
      const answer = await gateway
        .call(method, { instance_id: instanceId, to_number: friend, message })
        .catch(() => null);
      if (answer?.status === 200 && answer.json.ok) accepted.push(message);
      await pause(50);
    }
  })();

  return {
    async settle() {
      load.isOver = true;
      await loop;
      const arrived = () => {
        const ids = new Map<string, Set<string>>();
        for (const { text, id } of gateway.app.sandbox!.network.messages({ phone: friend }))
          if (text !== undefined) ids.set(text, (ids.get(text) ?? new Set()).add(id));
        return ids;
      };
      const missing = () => {
        const ids = arrived();
        return accepted.filter((text) => !ids.has(text));
      };
      await until('everything has arrived', () => missing().length === 0, settleMs).catch(() => undefined);
      const doubled = [...arrived()]
        .filter(([text, ids]) => text.startsWith(name) && ids.size > 1)
        .map(([text]) => text);
      return { accepted: accepted.length, lost: missing(), doubled };
    },
  };
}

function signal(pids: number[], name: NodeJS.Signals): void {
  if (pids.length === 0) throw new Error('there is no process to do this to');
  for (const pid of pids) process.kill(pid, name);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
