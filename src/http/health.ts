import type { Middleware } from 'koa';

/** What readiness is made of: a name and a question that rejects when the answer is no. */
export type HealthChecks = Record<string, () => Promise<unknown>>;

const checkTimeoutMs = 3_000;

/** Returns `GET /healthz` (the process answers) and `GET /readyz` (every check passes, else 503 naming those that do not). */
export function createHealth(checks: HealthChecks): Middleware {
  async function ready(): Promise<{ status: number; body: object }> {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await passes(check)] as const),
    );
    const failing = results.filter(([, passed]) => !passed).map(([name]) => name);
    if (failing.length === 0) return { status: 200, body: { status: 'ready' } };
    return { status: 503, body: { status: 'not_ready', failing } };
  }

  const answers: Record<string, () => Promise<{ status: number; body: object }>> = {
    '/healthz': () => Promise.resolve({ status: 200, body: { status: 'ok' } }),
    '/readyz': ready,
  };

  return async (ctx, next) => {
    const answer = Object.hasOwn(answers, ctx.path) && /^(GET|HEAD)$/.test(ctx.method) ? answers[ctx.path] : undefined;
    if (!answer) return await next();
    const { status, body } = await answer();
    ctx.set('Cache-Control', 'no-store');
    ctx.status = status;
    ctx.body = body;
  };
}

async function passes(check: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), checkTimeoutMs);
  });
  try {
    return await Promise.race([
      Promise.resolve()
        .then(check)
        .then(
          () => true,
          () => false,
        ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
