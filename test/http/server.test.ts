import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createHttpServer } from '../../src/http/server.ts';

/** Starts a server whose first request waits for the test to answer it. */
async function start() {
  let arrived: (response: ServerResponse) => void;
  const request = new Promise<ServerResponse>((resolve) => (arrived = resolve));
  const http = createHttpServer((_request, response) => arrived(response));
  return { http, request, port: await http.listen({ host: '127.0.0.1', port: 0 }) };
}

describe('createHttpServer', () => {
  it('lets running requests finish when it closes, and takes no new ones', async () => {
    const { http, port, request } = await start();
    const running = fetch(`http://127.0.0.1:${port}/`);
    const response = await request;
    const closed = http.close(60_000);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    response.end('done');
    expect(await (await running).text()).toBe('done');
    await closed;
  });

  it('cuts what is not done within the grace time', async () => {
    const { http, port, request } = await start();
    const running = fetch(`http://127.0.0.1:${port}/`).then(
      () => 'answered',
      () => 'cut',
    );
    await request;
    await http.close(200);
    expect(await running).toBe('cut');
  });

  it('closes idle connections at once', async () => {
    const http = createHttpServer((_request, response) => void response.end('ok'));
    const port = await http.listen({ host: '127.0.0.1', port: 0 });
    await (await fetch(`http://127.0.0.1:${port}/`)).text();
    const startedAt = Date.now();
    await http.close(60_000);
    expect(Date.now() - startedAt).toBeLessThan(30_000);
  });

  it('says why it cannot listen', async () => {
    const first = createHttpServer(() => undefined);
    const port = await first.listen({ host: '127.0.0.1', port: 0 });
    await expect(createHttpServer(() => undefined).listen({ host: '127.0.0.1', port })).rejects.toThrow(/EADDRINUSE/);
    await first.close(0);
  });
});
