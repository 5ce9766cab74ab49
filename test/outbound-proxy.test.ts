import { describe, expect, it } from 'vitest';
import { startConnectProxy } from './support/connect-proxy.ts';
import { loopback, post, useOutboundBed } from './support/outbound-bed.ts';
import { startReceiver } from './support/receiver.ts';

const { outbound, receiver, tcpServer, closers } = useOutboundBed();

describe('through a proxy', () => {
  /** A proxy that knows `erp.example`, and refuses everything else; tells what it was asked for. */
  async function proxy(target: { port: number }) {
    const portOf = (asked: string) => (asked.startsWith('erp.example:') ? target.port : null);
    const { asked, port, close } = await startConnectProxy({ portOf });
    closers.push(close);
    return { asked, url: `http://me:hu%3Ash@127.0.0.1:${port}` };
  }
  const login = `Basic ${Buffer.from('me:hu:sh').toString('base64')}`;

  it('posts and downloads, asks no DNS, and lets the proxy decide over names', async () => {
    const target = await receiver();
    const { asked, url: proxyUrl } = await proxy(target);
    const guarded = outbound({ proxyUrl });
    await guarded.assertAllowed('http://erp.example/hook');
    expect(await guarded.post('http://erp.example/hook', post)).toMatchObject({ status: 200, body: 'ok' });
    expect(target.requests[0]).toMatchObject({ method: 'POST', path: '/hook', headers: { host: 'erp.example' } });
    expect(target.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
    const { stream } = await guarded.download('http://erp.example/a.txt', { maxBytes: 10, timeoutMs: 2000 });
    expect(Buffer.concat(await stream.toArray()).toString()).toBe('ok');
    expect(new Set(asked)).toEqual(new Set([`erp.example:80 ${login}`]));
    await expect(guarded.post('http://inside.example/', post)).rejects.toMatchObject({
      code: 'fetch_failed',
      message: 'The connection to the address failed',
    });
    expect(asked.at(-1)).toBe(`inside.example:80 ${login}`);
  });

  it('still judges addresses and the form of URLs itself, and shows it no place of its own', async () => {
    const target = await receiver();
    const { asked, url: proxyUrl } = await proxy(target);
    const guarded = outbound({ proxyUrl, ...loopback, denyTargets: [{ host: '127.0.0.1', port: 8080 }] });
    for (const url of ['http://10.0.0.1/', 'http://[::ffff:169.254.169.254]/', 'http://127.0.0.1:8080/']) {
      await expect(guarded.post(url, post)).rejects.toMatchObject({ code: 'blocked_address' });
      await expect(guarded.download(url, { maxBytes: 10, timeoutMs: 1000 })).rejects.toMatchObject({
        code: 'blocked_address',
      });
    }
    await expect(guarded.post('http://u:p@erp.example/', post)).rejects.toMatchObject({ code: 'invalid_input' });
    expect(asked).toEqual([]);
  });

  it('fails in generic words when the proxy is down, hangs or wants another password', async () => {
    const gone = await startReceiver();
    await gone.close();
    const hanging = await tcpServer(() => undefined);
    const refusing = await tcpServer((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')),
    );
    for (const [port, failure, timeoutMs] of [
      [gone.port, 'connection', 20_000],
      [hanging, 'timeout', 200],
      [refusing, 'connection', 20_000],
    ] as const) {
      const guarded = outbound({ proxyUrl: `http://127.0.0.1:${port}` });
      await expect(guarded.post('http://erp.example/', { ...post, timeoutMs })).rejects.toMatchObject({
        code: 'fetch_failed',
        details: { failure },
      });
    }
  });
});
