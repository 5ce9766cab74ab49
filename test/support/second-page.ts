import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';

/** Goes on elsewhere with the login of this number's device, as a copy of its profile does; resolves when the network has taken it. */
export async function openElsewhere(sandbox: Sandbox, phone: string): Promise<WebSocket> {
  const device = sandbox.network.linked().find((linked) => linked.phone === phone)?.device;
  const html = readFileSync(join(sandbox.web.cacheDir, `${sandbox.web.version}.html`), 'utf8');
  const copy = new WebSocket(/"networkUrl":"([^"]+)"/.exec(html)?.[1] as string);
  await new Promise((resolve, reject) => copy.once('open', resolve).once('error', reject));
  const taken = new Promise((resolve) => copy.once('message', resolve));
  copy.send(JSON.stringify({ i: 1, op: 'hello', device }));
  await taken;
  return copy;
}
