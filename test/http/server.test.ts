import { describe, expect, it } from 'vitest';
import { createHttpServer } from '../../src/http/server.ts';

describe('createHttpServer', () => {
  it('lets running requests finish when it closes, and takes no new ones', async () => {
    const http = createHttpServer((_request, response) => void setTimeout(() => response.end('done'), 300));
    const port = await http.listen({ host: '127.0.0.1', port: 0 });
    const running = fetch(`http://127.0.0.1:${port}/`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closed = http.close(5_000);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    expect(await (await running).text()).toBe('done');
    await closed;
  });

  it('cuts what is not done within the grace time', async () => {
    const http = createHttpServer(() => undefined);
    const port = await http.listen({ host: '127.0.0.1', port: 0 });
    const running = fetch(`http://127.0.0.1:${port}/`).then(
      () => 'answered',
      () => 'cut',
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    const startedAt = Date.now();
    await http.close(200);
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    expect(await running).toBe('cut');
  });

  it('closes idle connections at once', async () => {
    const http = createHttpServer((_request, response) => void response.end('ok'));
    const port = await http.listen({ host: '127.0.0.1', port: 0 });
    await (await fetch(`http://127.0.0.1:${port}/`)).text();
    const startedAt = Date.now();
    await http.close(10_000);
    expect(Date.now() - startedAt).toBeLessThan(1_000);
  });

  it('says why it cannot listen', async () => {
    const first = createHttpServer(() => undefined);
    const port = await first.listen({ host: '127.0.0.1', port: 0 });
    await expect(createHttpServer(() => undefined).listen({ host: '127.0.0.1', port })).rejects.toThrow(/EADDRINUSE/);
    await first.close(0);
  });
});
