import type { Feature, ShimReport } from '../../../model/features.ts';

/**
 * When a shim runs: `opened` before the library takes the page over; `injected` after that (nobody need be linked yet), `synced` when the page
 * is linked and synced, the library's helpers are there, and nothing has been sent through them.
 */
export type ShimStage = 'opened' | 'injected' | 'synced';

/**
 * One mending of the page, for one change of WhatsApp Web that the library does not follow. Its functions run in the page:
 * the page gets their text, so they use their argument and the browser and nothing else.
 */
export interface Shim {
  name: string;
  /** The upstream issue or pull request that it answers. */
  issue: string;
  stage: ShimStage;
  /** What does not work where it fails. */
  features: readonly Feature[];
  /** Tells whether this page has the change, without changing anything. */
  // oxlint-disable-next-line typescript/no-explicit-any -- WhatsApp Web's own objects have no types
  isNeeded(page: any): boolean;
  /** Mends the page; throws when it cannot. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  apply(page: any): void;
}

/** Returns the script that runs shims in the page, each once a page, and gives what became of each. */
export function shimScript(shims: readonly Shim[]): string {
  const rows = shims.map(
    ({ name, isNeeded, apply }) =>
      `{ name: ${JSON.stringify(name)}, isNeeded: ${asExpression(isNeeded)}, apply: ${asExpression(apply)} }`,
  );
  return `(${runShims.toString()})([${rows.join(',\n')}], window)`;
}

/** A method's text is no expression by itself, an arrow function's is. */
function asExpression(work: (page: unknown) => unknown): string {
  const text = work.toString();
  return text.startsWith(`${work.name}(`) ? `({ ${text} }).${work.name}` : `(${text})`;
}

/* oxlint-disable typescript/no-explicit-any -- runs in the page */
function runShims(
  rows: { name: string; isNeeded(page: any): boolean; apply(page: any): void }[],
  page: any,
): ShimReport[] {
  page.wapbridgeShims ??= {};
  for (const { name, isNeeded, apply } of rows) {
    if (page.wapbridgeShims[name]?.result === 'applied') continue;
    try {
      const needed = isNeeded(page);
      if (needed) apply(page);
      page.wapbridgeShims[name] = { name, result: needed ? 'applied' : 'not_needed' };
    } catch (error: any) {
      page.wapbridgeShims[name] = { name, result: 'failed', error: String(error?.message ?? error).slice(0, 200) };
    }
  }
  return rows.map(({ name }) => page.wapbridgeShims[name]);
}
