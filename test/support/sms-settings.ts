import { type IncomingMessage, request as httpRequest } from 'node:http';

/** A row of the table Static Parameters. */
export interface SmsParameter {
  parameter: string;
  value: string;
  header?: boolean;
}

/** The single DocType SMS Settings, in the words of its form. */
export interface SmsSettings {
  version: 13 | 14 | 15 | 16;
  gatewayUrl: string;
  messageParameter: string;
  receiverParameter: string;
  usePost: boolean;
  parameters: SmsParameter[];
}

/** What `requests.HTTPError` tells. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`${status} Error for url`);
    this.status = status;
  }
}

/** One request as it went over the wire, and the status it got. */
interface WireCall {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  status: number;
}

type Args = Record<string, unknown>;

/**
 * Returns Frappe's SMS Settings re-enacted from its description (frappe-wire 2.1–2.4): `sendSms` as the Notification channel and
 * the SMS Center call it, `sendOtp` as two-factor login does. Requests go out as Python's `requests` writes them.
 */
export function createSmsSettings(settings: SmsSettings) {
  const calls: WireCall[] = [];

  /** Sends to each receiver in turn; the first non-2xx ends the loop, as `raise_for_status` does. Returns who was served. */
  async function sendSms(receivers: string[], message: string): Promise<string[]> {
    const text = settings.version >= 16 ? stripHtml(message) : message;
    const headers = headersOf(settings);
    const args: Args = { [settings.messageParameter]: text };
    for (const { parameter, value, header } of settings.parameters)
      if (!header) setParameter(args, parameter, value, settings);
    const served: string[] = [];
    for (const receiver of validReceivers(receivers, settings.version)) {
      setParameter(args, settings.receiverParameter, receiver, settings);
      await send(args, headers, usesJson(headers, settings.version));
      served.push(receiver);
    }
    return served;
  }

  /** All static parameters, header ones too, go into the body; the number is raw; `use_json` is never passed. */
  async function sendOtp(phone: string, otp: string): Promise<void> {
    const args: Args = { [settings.messageParameter]: `Your verification code is ${otp}` };
    for (const { parameter, value } of settings.parameters) args[parameter] = value;
    args[settings.receiverParameter] = phone;
    await send(args, headersOf(settings), false);
  }

  async function send(args: Args, headers: Record<string, string>, useJson: boolean): Promise<void> {
    const method = settings.usePost ? 'POST' : 'GET';
    const url = new URL(settings.gatewayUrl);
    let body = '';
    let sent = headers;
    if (useJson) body = pythonJson(args);
    else if (settings.usePost) body = urlencode(args);
    else url.search = urlencode(args);
    const typed = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
    if (body !== '' && !typed)
      sent = { ...headers, 'Content-Type': useJson ? 'application/json' : 'application/x-www-form-urlencoded' };
    const status = await follow({ method, url, headers: sent, body });
    if (status >= 400) throw new HttpError(status);
  }

  /** `requests` follows redirects; 301 and 302 turn a POST into a GET without its body. */
  async function follow(input: {
    method: string;
    url: URL;
    headers: Record<string, string>;
    body: string;
  }): Promise<number> {
    const answer = await exchange(input);
    const status = answer.statusCode ?? 0;
    calls.push({
      method: input.method,
      path: input.url.pathname + input.url.search,
      headers: input.headers,
      body: input.body,
      status,
    });
    if (status < 300 || status > 399 || !answer.headers.location) return status;
    const keeps = status === 307 || status === 308;
    const next = { ...input, url: new URL(answer.headers.location, input.url) };
    return await follow(keeps ? next : { ...next, method: 'GET', body: '' });
  }

  return { sendSms, sendOtp, calls };
}

function headersOf(settings: SmsSettings): Record<string, string> {
  const headers: Record<string, string> = { Accept: 'text/plain, text/html, */*' };
  for (const { parameter, value, header } of settings.parameters) if (header) headers[parameter] = value;
  return headers;
}

function usesJson(headers: Record<string, string>, version: number): boolean {
  if (version < 16) return headers['Content-Type'] === 'application/json';
  return Object.entries(headers).some(
    ([name, value]) => name.toLowerCase() === 'content-type' && value.toLowerCase() === 'application/json',
  );
}

/** Version 13 stops at the first empty number and drops the rest; later ones skip it. */
function validReceivers(receivers: string[], version: number): string[] {
  const valid: string[] = [];
  for (const receiver of receivers) {
    if (receiver === '' && version === 13) break;
    const stripped = receiver.replace(/[ \-()]/g, '');
    if (stripped !== '') valid.push(stripped);
  }
  return valid;
}

/** Version 16 reads `a.b[0]` as a path into nested JSON; before that a name is a name. */
function setParameter(args: Args, name: string, value: string, settings: SmsSettings): void {
  const path = name.match(/[^.[\]]+/g) ?? [name];
  if (settings.version < 16 || path.length === 1) {
    args[name] = value;
    return;
  }
  let target = args;
  for (const [index, step] of path.slice(0, -1).entries()) {
    target[step] ??= /^\d+$/.test(path[index + 1] ?? '') ? [] : {};
    target = target[step] as Args;
  }
  target[path.at(-1) ?? name] = value;
}

function stripHtml(text: string): string {
  return text.replace(/<[^>]*>/g, '');
}

/** Python's `urllib.parse.urlencode`: `quote_plus` leaves letters, digits and `_.-~`. */
function urlencode(args: Args): string {
  const quote = (text: string) =>
    encodeURIComponent(text)
      .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
      .replace(/%20/g, '+');
  return Object.entries(args)
    .map(([name, value]) => `${quote(name)}=${quote(String(value))}`)
    .join('&');
}

/** Python's `json.dumps`: ASCII only, a space after `,` and `:`. */
function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([name, entry]) => `${pythonJson(name)}: ${pythonJson(entry)}`)
      .join(', ')}}`;
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function exchange(input: {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body: string;
}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length =
      input.body === '' && input.method === 'GET' ? {} : { 'Content-Length': String(Buffer.byteLength(input.body)) };
    const outgoing = httpRequest(
      input.url,
      {
        method: input.method,
        headers: {
          'User-Agent': 'python-requests/2.32.3',
          'Accept-Encoding': 'gzip, deflate',
          ...input.headers,
          ...length,
        },
      },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer));
        answer.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(input.body);
  });
}
