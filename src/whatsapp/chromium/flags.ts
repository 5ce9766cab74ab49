import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { BrowserKind } from './find.ts';

/** What decides about the command line of one browser. */
interface BrowserArgsInput {
  kind: BrowserKind;
  /** From `sandboxPossible()`: without it Chromium refuses to start unless told `--no-sandbox`. */
  sandboxPossible: boolean;
  /** Marks the process as ours, so that an orphan of a killed gateway can be told from a person's browser. */
  instanceId: string;
  /** What the browser says it is; null leaves that to the browser, which says when it is headless. */
  userAgent?: string | null;
  /** `CHROMIUM_ARGS`, appended last: Chromium takes the last of two equal switches. */
  extra?: string[];
}

/** The switch that names the instance on the browser's command line. */
export const instanceMarker = '--wapbridge-instance=';

/**
 * Returns the arguments for a browser that keeps one WhatsApp Web page, beside puppeteer's own defaults.
 * All `--disable-features` are one switch: Chromium obeys only the last, and puppeteer joins its own to the first.
 */
export function browserArgs(input: BrowserArgsInput): string[] {
  const { kind, sandboxPossible, instanceId, userAgent = null, extra = [] } = input;
  const disabled = [...disabledFeatures, ...featuresOf(extra, disableFeatures)];
  const enabled = [...enabledFeatures, ...featuresOf(extra, enableFeatures)];
  return [
    ...steadyArgs,
    ...leanArgs,
    ...fusedArgs,
    ...(sandboxPossible ? [] : ['--no-sandbox', '--disable-setuid-sandbox']),
    // Chromium allows this only where its sandbox is off; on full Chromium it costs 43 MiB instead of saving 9.
    ...(kind === 'shell' && !sandboxPossible ? ['--no-zygote'] : []),
    `${disableFeatures}${disabled.join(',')}`,
    `${enableFeatures}${enabled.join(',')}`,
    `${instanceMarker}${instanceId}`,
    ...(userAgent === null ? [] : [`--user-agent=${userAgent}`]),
    ...extra.filter((arg) => !arg.startsWith(disableFeatures) && !arg.startsWith(enableFeatures)),
  ];
}

const disableFeatures = '--disable-features=';
const enableFeatures = '--enable-features=';

/** A page in the background must keep its sockets and timers; nobody sits in front of it. */
const steadyArgs = [
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--disable-dev-shm-usage',
  '--disable-gpu',
  '--lang=en-US',
  '--mute-audio',
  '--no-first-run',
  '--no-default-browser-check',
  '--password-store=basic',
  '--use-mock-keychain',
  // A proxy or firewall that drops UDP would delay every connection.
  '--disable-quic',
  '--disk-cache-size=52428800',
];

/** Parts of the browser that a gateway never uses; each costs memory, traffic or both. */
const leanArgs = [
  '--disable-background-networking',
  '--disable-breakpad',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-extensions',
  '--disable-notifications',
  '--disable-print-preview',
  '--disable-speech-api',
  '--disable-sync',
];

/**
 * The browser in fewer processes, and without a 3D renderer in software: the page is WhatsApp's alone, so there is no
 * other site to be kept apart from it. Together 33 MiB less of 187 (headless shell) and 39 of 375 (Chromium).
 */
const fusedArgs = ['--in-process-gpu', '--disable-software-rasterizer', '--disable-site-isolation-trials'];

const disabledFeatures = [
  'Translate',
  'AudioServiceOutOfProcess',
  'IsolateOrigins',
  'site-per-process',
  // With it a page whose service worker the profile knows goes past a pinned page, and waits for ever where the network does not answer.
  'ServiceWorkerAutoPreload',
];

/** Chromium's name for the network service as a thread of the browser process. */
const enabledFeatures = ['NetworkServiceInProcess2'];

function featuresOf(args: string[], prefix: string): string[] {
  return args
    .filter((arg) => arg.startsWith(prefix))
    .flatMap((arg) => arg.slice(prefix.length).split(',').filter(Boolean));
}

/** The machine as `sandboxPossible` asks it; passed in by tests. */
export interface SandboxProbe {
  platform: NodeJS.Platform;
  isRoot: boolean;
  /** Exit status of a trial, null when the program is missing. */
  tryUnshare(): number | null;
  /** The trimmed text of a file, null when it is not there. */
  read(path: string): string | null;
}

/**
 * Tells whether Chromium can put its renderers in a sandbox: not as root, and on Linux only where a user may open
 * namespaces of his own. A container's seccomp profile forbids that without any trace in /proc, so it is tried out.
 */
export function sandboxPossible(probe: SandboxProbe = machineProbe()): boolean {
  if (probe.platform !== 'linux') return true;
  if (probe.isRoot) return false;
  const status = probe.tryUnshare();
  if (status !== null) return status === 0;
  return namespaceSettings.every(({ path, forbids }) => probe.read(path) !== forbids);
}

const namespaceSettings = [
  { path: '/proc/sys/kernel/unprivileged_userns_clone', forbids: '0' },
  { path: '/proc/sys/user/max_user_namespaces', forbids: '0' },
  { path: '/proc/sys/kernel/apparmor_restrict_unprivileged_userns', forbids: '1' },
];

function machineProbe(): SandboxProbe {
  return {
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    // The namespaces that Chromium's own sandbox opens.
    tryUnshare: () =>
      spawnSync('unshare', ['--user', '--map-root-user', '--pid', '--net', '--fork', 'true'], {
        stdio: 'ignore',
        timeout: 5_000,
      }).status,
    read(path) {
      try {
        return readFileSync(path, 'utf8').trim();
      } catch {
        return null;
      }
    },
  };
}
