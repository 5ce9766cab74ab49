import { Agent, request } from 'undici';

/**
 * frappe-js-sdk 1.14 in shape: JSON bodies, queries with JSON inside, whole bodies back (frappe-wire 1.6); a call rejects with the
 * answer's body, spread, and `httpStatus`, `message`, `exception`.
 */
export function createJsSdk(url: string, token: string) {
  async function send(
    method: string,
    path: string,
    init: { body?: unknown; query?: Record<string, unknown> },
  ): Promise<unknown> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(init.query ?? {}))
      query.set(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
    const target = `${url}/api/method/${path}${query.size > 0 ? `?${query.toString()}` : ''}`;
    const answer = await request(target, {
      method: method as 'GET',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json; charset=utf-8',
        authorization: `token ${token}`,
        'x-frappe-csrf-token': '{{ csrf_token }}',
        'x-frappe-site-name': '127.0.0.1',
      },
      body: init.body === undefined ? null : JSON.stringify(init.body),
    });
    const body = (await answer.body.json()) as Record<string, unknown>;
    if (answer.statusCode < 300) return body;
    throw Object.assign(new Error('frappe-js-sdk'), {
      ...body,
      httpStatus: answer.statusCode,
      message: body.message ?? 'There was an error.',
      exception: body.exception ?? body.exc_type ?? '',
    });
  }

  return {
    get: (path: string, params?: Record<string, unknown>) => send('GET', path, params ? { query: params } : {}),
    post: (path: string, params?: unknown) => send('POST', path, { body: params ?? {} }),
    put: (path: string, params?: unknown) => send('PUT', path, { body: params ?? {} }),
    delete: (path: string, params?: Record<string, unknown>) => send('DELETE', path, params ? { query: params } : {}),
    getLoggedInUser: async () =>
      ((await send('GET', 'frappe.auth.get_logged_user', {})) as { message: string }).message,
    logout: () => send('POST', 'logout', { body: {} }),
    login: (usr: string, pwd: string) => send('POST', 'login', { body: { usr, pwd } }),
  };
}

/** What both Python clients raise. */
export class FrappeException extends Error {}

/** A Python FrappeClient in shape: Basic credentials, every parameter of a POST in its query, `cmd` calls on the root. */
export interface PythonClient {
  getApi(method: string, params?: Record<string, string>): Promise<unknown>;
  postApi(method: string, params?: Record<string, string>): Promise<unknown>;
  getRequest(params: Record<string, unknown>): Promise<unknown>;
  postRequest(data: Record<string, unknown>): Promise<unknown>;
  login(usr: string, pwd: string): Promise<unknown>;
  logout(): Promise<unknown>;
  /** Status of the last answer: the clients themselves do not look at it. */
  lastStatus(): number;
}

/**
 * Returns `standalone`: github.com/frappe/frappe-client (trailing slash, no content type), or `builtin`: frappe.frappeclient
 * (form content type on empty bodies, `exc` parsed as a JSON list).
 */
export function createPythonClient(kind: 'standalone' | 'builtin', url: string, token: string): PythonClient {
  const agent = new Agent();
  const authorization = `Basic ${Buffer.from(token).toString('base64')}`;
  const slash = kind === 'standalone' ? '/' : '';
  const base: Record<string, string> =
    kind === 'standalone'
      ? { accept: '*/*', authorization }
      : { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', authorization };
  let status = 0;

  async function send(method: 'GET' | 'POST', target: string, form?: string): Promise<unknown> {
    const headers = {
      ...base,
      ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
      ...(method === 'POST' && form === undefined && { 'content-length': '0' }),
    };
    const answer = await request(target, { method, headers, body: form ?? null, dispatcher: agent });
    status = answer.statusCode;
    return process(JSON.parse(await answer.body.text()) as Record<string, unknown>);
  }

  function process(body: Record<string, unknown>): unknown {
    if (body.exc) throw new FrappeException(kind === 'builtin' ? firstLine(body.exc) : String(body.exc));
    return body.message ?? body.data ?? null;
  }

  return {
    getApi: (method, params = {}) => send('GET', `${url}/api/method/${method}${slash}${queryOf(params)}`),
    postApi: (method, params = {}) => send('POST', `${url}/api/method/${method}${slash}${queryOf(params)}`),
    getRequest: (params) => send('GET', `${url}/${queryOf(params)}`),
    postRequest: (data) => send('POST', url, queryOf(data).slice(1)),
    login: (usr, pwd) =>
      kind === 'builtin'
        ? send('POST', `${url}/${queryOf({ cmd: 'login', usr, pwd })}`)
        : send('POST', url, queryOf({ cmd: 'login', usr, pwd }).slice(1)),
    logout: () => send('GET', `${url}/?cmd=logout`),
    lastStatus: () => status,
  };
}

function queryOf(params: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    query.set(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  return query.size > 0 ? `?${query.toString()}` : '';
}

/** `json.loads(rjson["exc"])[0]` */
function firstLine(exc: unknown): string {
  const lines: unknown = JSON.parse(String(exc));
  if (!Array.isArray(lines) || typeof lines[0] !== 'string') throw new Error('exc is not a JSON list of texts');
  return `FrappeClient Request Failed\n\n${lines[0]}`;
}
