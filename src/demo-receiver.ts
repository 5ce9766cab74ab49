import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A webhook receiver on loopback that shows what it gets. */
export interface DemoReceiver {
  url: string;
  secret: string;
  close(): Promise<void>;
}

/** Starts the receiver on a free port; files are cut from what is shown. */
export async function startDemoReceiver(show: (text: string) => void): Promise<DemoReceiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      show(shorten(Buffer.concat(chunks).toString()));
      response.writeHead(200).end('{"ok":true}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/webhook`,
    secret: 'demo-secret',
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function shorten(body: string): string {
  try {
    return JSON.stringify(
      JSON.parse(body),
      (key, value: unknown) =>
        key === 'data' && typeof value === 'string' ? `<${value.length} characters of base64>` : value,
      2,
    );
  } catch {
    return body.slice(0, 500);
  }
}
