import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

// The receiver of the webhook benchmark: a process that keeps the bodies and tells its parent when enough have arrived.

let bodies: string[] = [];
let waiting = 0;

const server = createServer((request, response) => {
  // A receiver that takes the request and never answers.
  if (request.url?.includes('-hang')) return;
  let body = '';
  request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
  request.on('end', () => {
    bodies.push(body);
    response.end('ok');
    check();
  });
});

function check(): void {
  if (waiting === 0 || bodies.length < waiting) return;
  waiting = 0;
  process.send?.({ arrived: bodies.length });
}

server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('message', (message: { waitFor?: number; reset?: boolean }) => {
  if (message.reset) {
    process.send?.(bodies);
    bodies = [];
    return;
  }
  waiting = message.waitFor ?? 0;
  check();
});
process.on('disconnect', () => process.exit());
