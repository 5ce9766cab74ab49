import { writeFile } from 'node:fs/promises';
import type { Instance } from '../../src/model/instance.ts';
import type { Caller } from '../../src/model/token.ts';
import { renderersOf } from './browsers.ts';
import { closePage, devToolsArg, evaluateInPage } from './devtools.ts';
import type { TestGateway } from './gateway.ts';
import { damageLogin } from './login-database.ts';
import { openElsewhere } from './second-page.ts';
import { canMount, type SmallDisk } from './small-disk.ts';
import type { StallingProxy } from './stalling-proxy.ts';

/** The instance to which something happens, and what is around it. */
export interface Target {
  gateway: TestGateway;
  caller: Caller;
  id: string;
  phone: string;
  profileDir: string;
  /** A way to the network, for an instance that has `wayUrl` as its proxy. */
  way: StallingProxy;
  wayUrl: string;
  /** What the profiles lie on, where there is one. */
  disk: SmallDisk | null;
  /** The main process of the browser of now. */
  browser(): number;
  /** Ends the browser in good order, and starts another. */
  reopen(): Promise<void>;
}

/** What can happen to an instance, and how it passes. */
interface Fault {
  /** Once, before the first time. */
  prepare?(target: Target): Promise<unknown>;
  /** Before each time. */
  before?(target: Target): Promise<unknown>;
  begin(target: Target): unknown;
  /** What shows that the gateway knows: that the instance is not ready, if not said otherwise. */
  isFound?(instance: Instance): boolean;
  /** What ends it after it was found, where it does not pass by itself. */
  pass?(target: Target): unknown;
}

/** What the gateway needs for these faults. Only instances with a proxy of their own go through one, then also to the stand-in on loopback. */
export const faultEnv = { CHROMIUM_ARGS: `${devToolsArg} --proxy-bypass-list=<-loopback>` };

const cutMs = 4_000;

/** Every fault by its name. */
export const faults = {
  'renderer killed': { begin: ({ browser }) => signal(renderersOf(browser()), 'SIGKILL') },
  'renderer frozen': { begin: ({ browser }) => signal(renderersOf(browser()), 'SIGSTOP') },
  'browser killed': { begin: ({ browser }) => signal([browser()], 'SIGKILL') },
  'browser frozen': { begin: ({ browser }) => signal([browser()], 'SIGSTOP') },
  'page closed': { begin: ({ profileDir }) => closePage(profileDir) },
  'page busy for ever': {
    begin: ({ profileDir }) => evaluateInPage(profileDir, 'void setTimeout(() => { for (;;); })'),
  },
  'network cut': { begin: ({ gateway, phone }) => gateway.app.sandbox!.network.drop(phone, cutMs) },
  'network silent': {
    async prepare({ gateway, caller, id, wayUrl, reopen }) {
      await gateway.app.core.instances.update(caller, id, { proxyUrl: wayUrl });
      await reopen();
    },
    begin: ({ way }) => way.stall('all'),
    pass: ({ way }) => way.resume(),
  },
  'taken over elsewhere (CONFLICT)': {
    begin: ({ gateway, phone }) => openElsewhere(gateway.app.sandbox!, phone),
    pass: ({ gateway, caller, id }) => gateway.app.core.instances.connect(caller, id),
  },
  'WhatsApp out of reach (TIMEOUT)': inState('TIMEOUT'),
  'network refused (PROXYBLOCK)': inState('PROXYBLOCK'),
  'number blocked (TOS_BLOCK)': inState('TOS_BLOCK'),
  'page outdated (DEPRECATED_VERSION)': inState('DEPRECATED_VERSION'),
  // A page that says so for no reason goes on saying so: a fresh one shows that the link is still there.
  'link gone (UNPAIRED)': { begin: inState('UNPAIRED').begin },
  'disk full, browser killed': {
    before: keepCopy,
    async begin({ disk, browser }) {
      disk!.fill();
      await pause(1_000);
      signal([browser()], 'SIGKILL');
    },
    isFound: ({ actionCode }) => actionCode === 'disk_full',
    async pass({ gateway, caller, id, disk }) {
      await disk!.free();
      await gateway.app.core.instances.connect(caller, id);
    },
  },
  'browser killed, profile damaged': {
    before: keepCopy,
    async begin({ browser, profileDir }) {
      signal([browser()], 'SIGKILL');
      await damageLogin(profileDir, (file) => writeFile(file, Buffer.alloc(4_096, 0xaa)));
    },
  },
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

/** What is done to an instance by each name. */
export const faultOf: (name: FaultName) => Fault = (name) => faults[name];

/** Faults that this machine can have: a disk can be filled only where one can be mounted. */
export const possibleFaults = (Object.keys(faults) as FaultName[]).filter((name) => canMount || !needsDisk(name));

/** Tells whether the profiles have to lie on a disk of their own. */
export function needsDisk(name: FaultName): boolean {
  return name === 'disk full, browser killed';
}

/** A copy of the profile is kept when a browser ends in good order, and is used once. */
function keepCopy({ reopen }: Target): Promise<void> {
  return reopen();
}

/** The page itself says that it is in a state of WhatsApp Web, and later that it is connected again. */
function inState(state: string): Required<Pick<Fault, 'begin' | 'pass'>> {
  const set = (value: string) => `void window.require('WAWebSocketModel').Socket.set({ state: '${value}' })`;
  return {
    begin: ({ profileDir }) => evaluateInPage(profileDir, set(state)),
    pass: ({ profileDir }) => evaluateInPage(profileDir, set('CONNECTED')),
  };
}

function signal(pids: number[], name: NodeJS.Signals): void {
  if (pids.length === 0) throw new Error('there is no process to do this to');
  for (const pid of pids) process.kill(pid, name);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
