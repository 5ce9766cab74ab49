import { isIPv6 } from 'node:net';
import type { Config } from '../settings.ts';
import type { Context } from './command.ts';
import { withStore } from './store.ts';

/** The answer of a method, as its route documents it. */
export type Answer = Record<string, unknown>;

/** Calls a method of the running gateway, such as `instances.get_qr`. @throws Error with the gateway's own sentence */
export type Call = (method: string, params?: Record<string, unknown>) => Promise<Answer>;

/** Longest of all is a logout: the page has to tell WhatsApp. */
const callTimeoutMs = 60_000;

/**
 * Gives `work` the API of the gateway that runs on this machine's HOST and PORT. The browsers live in that process, so only it can
 * act on instances; it knows us by a token that is made in the database for this command and revoked after it.
 * @throws Error when none answers
 */
export async function withGateway<T>(context: Context, work: (call: Call) => Promise<T>): Promise<T> {
  const url = gatewayUrl(context.config());
  await assertAnswers(context, url);
  return withStore(context, async ({ accountId, tokens }) => {
    const { token, secret } = await tokens.createPassing(accountId);
    try {
      return await work((method, params = {}) =>
        call(context, { url, authorization: `token ${token.key}:${secret}`, method, params }),
      );
    } finally {
      await tokens.revoke(accountId, token.key);
    }
  });
}

/** Returns where the gateway of this configuration listens, as seen from this machine. */
export function gatewayUrl({ host, port }: Pick<Config, 'host' | 'port'>): string {
  const reachable = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${isIPv6(reachable) ? `[${reachable}]` : reachable}:${port}`;
}

async function assertAnswers({ fetch, signal }: Context, url: string): Promise<void> {
  const sentence = `No gateway answers at ${url}: start it with \`npm start\`, or set HOST and PORT as it has them.`;
  const response = await fetch(`${url}/healthz`, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]),
  }).catch((error: unknown) => {
    throw new Error(sentence, { cause: error });
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(sentence);
}

async function call(
  { fetch, signal }: Context,
  {
    url,
    authorization,
    method,
    params,
  }: { url: string; authorization: string; method: string; params: Record<string, unknown> },
): Promise<Answer> {
  const response = await fetch(`${url}/api/method/wap_bridge.api.${method}`, {
    method: 'POST',
    headers: { authorization, accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify(params),
    signal: AbortSignal.any([signal, AbortSignal.timeout(callTimeoutMs)]),
  });
  if (response.status === 401) {
    await response.body?.cancel();
    throw new Error(`The gateway at ${url} does not use this database: set DATABASE_URL as it has it.`);
  }
  const answer = (await response.json()) as Answer;
  if (!response.ok)
    throw new Error(typeof answer.message === 'string' ? answer.message : `The gateway answered ${response.status}`);
  return answer;
}
