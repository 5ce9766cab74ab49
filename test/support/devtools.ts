import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WebSocket } from 'ws';

/** The switch that lets a test into a browser beside the gateway, which holds its own pipe to it. */
export const devToolsArg = '--remote-debugging-port=0';

/** Runs an expression in the page of the browser that has this profile open. */
export async function evaluateInPage(profileDir: string, expression: string): Promise<void> {
  const { webSocketDebuggerUrl } = (await pageOf(profileDir)).target;
  const socket = new WebSocket(webSocketDebuggerUrl);
  try {
    await new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('message', resolve);
      socket.once('open', () =>
        socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } })),
      );
    });
  } finally {
    socket.terminate();
  }
}

/** Closes the page of the browser that has this profile open, as a person closes a tab. */
export async function closePage(profileDir: string): Promise<void> {
  const { port, target } = await pageOf(profileDir);
  await fetch(`http://127.0.0.1:${port}/json/close/${target.id}`);
}

interface Target {
  id: string;
  type: string;
  url: string;
  webSocketDebuggerUrl: string;
}

async function pageOf(profileDir: string): Promise<{ port: number; target: Target }> {
  const [port] = (await readFile(join(profileDir, 'DevToolsActivePort'), 'utf8')).split('\n');
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as Target[];
  const target = targets.find(({ type, url }) => type === 'page' && url.startsWith('https://web.whatsapp.com'));
  if (!target) throw new Error('This browser has no page of WhatsApp Web');
  return { port: Number(port), target };
}
