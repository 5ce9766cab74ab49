import type { Middleware } from 'koa';
import { GatewayError, toGatewayError } from '../model/errors.ts';
import { withTimeout } from '../model/time.ts';

/** What readiness is made of: a name and a question that rejects when the answer is no; a GatewayError says why to everybody. */
type HealthChecks = Record<string, () => Promise<unknown>>;

/** What is asked of the gateway's health. */
export interface HealthSource {
  checks: HealthChecks;
  /** Tells whether the gateway is being stopped. */
  isClosing?(): boolean;
  /** How many instances are in each state, and how many should be ready and are not. */
  instances?(): Promise<{ states: Record<string, number>; missing: number }>;
}

interface Readiness {
  ready: boolean;
  /** Check → what is wrong. */
  problems: Record<string, string>;
  instances: { states: Record<string, number>; missing: number } | null;
}

const checkTimeoutMs = 3_000;
const late = 'late';
/** Anybody may ask: an answer is kept for so long. */
const cacheMs = 1_000;

/**
 * Returns `GET /healthz` (the process answers) and `GET /readyz` (every check passes, else 503 naming those that do not, and why).
 * Instances that are not connected are a fact, not a failure; `/readyz?instances=1` takes them as one.
 */
export function createHealth({ checks, isClosing, instances }: HealthSource): Middleware {
  let last: { readiness: Promise<Readiness>; at: number } | null = null;

  async function look(): Promise<Readiness> {
    const [results, counts] = await Promise.all([
      Promise.all(Object.entries(checks).map(async ([name, check]) => [name, await problemOf(check)] as const)),
      instances ? inTime(instances).catch(() => null) : null,
    ]);
    const problems = Object.fromEntries(results.filter(([, problem]) => problem !== null)) as Record<string, string>;
    return { ready: results.every(([, problem]) => problem === null), problems, instances: counts };
  }

  function current(): Promise<Readiness> {
    const now = performance.now();
    if (!last || now - last.at > cacheMs) last = { readiness: look(), at: now };
    return last.readiness;
  }

  async function readiness(wantsInstances: boolean): Promise<{ status: number; body: object }> {
    if (isClosing?.()) return notReady({ shutdown: 'The gateway is being stopped' });
    const { ready, problems, instances: counts } = await current();
    const told = counts ? { instances: counts.states } : {};
    if (!ready) return notReady(problems, told);
    if (wantsInstances && counts?.missing)
      return notReady({ instances: `${counts.missing} that should be ready are not` }, told);
    return { status: 200, body: { status: 'ready', ...told } };
  }

  return async (ctx, next) => {
    if (!/^(GET|HEAD)$/.test(ctx.method) || !/^\/(healthz|readyz)$/.test(ctx.path)) return await next();
    const { status, body } =
      ctx.path === '/healthz'
        ? { status: 200, body: { status: 'ok' } }
        : await readiness(/^(1|true|yes)$/i.test(String(ctx.query.instances ?? '')));
    ctx.set('Cache-Control', 'no-store');
    ctx.status = status;
    ctx.body = body;
  };
}

function notReady(reasons: Record<string, string>, told: object = {}): { status: number; body: object } {
  return { status: 503, body: { status: 'not_ready', failing: Object.keys(reasons), reasons, ...told } };
}

/** What a check finds wrong, null for nothing; other errors may name addresses and stay in the log of whoever threw them. */
async function problemOf(check: () => Promise<unknown>): Promise<string | null> {
  try {
    await inTime(check);
    return null;
  } catch (error) {
    if (error instanceof GatewayError) return error.message;
    return isLate(error) || toGatewayError(error).code === 'unavailable' ? 'does not answer' : 'failed';
  }
}

async function inTime<T>(question: () => Promise<T>): Promise<T> {
  return await withTimeout(Promise.resolve().then(question), checkTimeoutMs, late);
}

function isLate(error: unknown): boolean {
  return error instanceof Error && error.message === late;
}
