import { describe, expect, it } from 'vitest';
import { loopback, post, useOutboundBed } from './support/outbound-bed.ts';
import { startReceiver } from './support/receiver.ts';

const { outbound, receiver, tcpServer } = useOutboundBed();

describe('post', () => {
  it('sends the body and headers and returns status, text and duration', async () => {
    const target = await receiver();
    const result = await outbound({ ...loopback, userAgent: 'Test/1' }).post(`${target.url}?a=1`, {
      body: '{"a":"ü"}',
      headers: { 'content-type': 'application/json' },
      timeoutMs: 2000,
    });
    expect(result).toMatchObject({ status: 200, body: 'ok' });
    expect(result.durationMs).toBeLessThan(2000);
    expect(target.requests[0]).toMatchObject({
      method: 'POST',
      path: '/hook?a=1',
      body: '{"a":"ü"}',
      headers: { 'content-type': 'application/json', 'user-agent': 'Test/1' },
    });
  });

  it('does not follow redirects', async () => {
    const [target, other] = [await receiver(), await receiver()];
    target.answer((_, response) => response.writeHead(307, { location: other.url }).end());
    await expect(outbound(loopback).post(target.url, post)).resolves.toMatchObject({ status: 307 });
    expect(other.requests).toEqual([]);
  });

  it('keeps 1 KiB of a 5 MB answer', async () => {
    const target = await receiver();
    let written = 0;
    target.answer((_, response) => {
      const chunk = 'ü'.repeat(8192);
      const write = () => {
        while (written < 5 * 1024 * 1024) {
          written += chunk.length * 2;
          if (!response.write(chunk)) return;
        }
        response.end();
      };
      response.on('drain', write);
      write();
    });
    const { status, body } = await outbound(loopback).post(target.url, post);
    expect(status).toBe(200);
    expect(body).toBe('ü'.repeat(512));
  });

  it('reads no more than 64 KiB of an answer that has no end', async () => {
    let isCut = false;
    const port = await tcpServer((socket) => {
      socket.on('close', () => (isCut = true));
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.write(Buffer.alloc(80 * 1024, 'a'));
      });
    });
    const result = await outbound(loopback).post(`http://127.0.0.1:${port}/`, { ...post, timeoutMs: 60_000 });
    expect(result).toMatchObject({ status: 200, body: 'a'.repeat(1024) });
    expect(result.durationMs).toBeLessThan(30_000);
    await expect.poll(() => isCut).toBe(true);
  });

  it('does not wait a minute for a body that stops coming', async () => {
    const port = await tcpServer((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nok')),
    );
    const result = await outbound(loopback).post(`http://127.0.0.1:${port}/`, { ...post, timeoutMs: 60_000 });
    expect(result).toMatchObject({ status: 200, body: 'ok' });
    expect(result.durationMs).toBeLessThan(30_000);
  });

  it('hides what a private address says beside a status that is not 2xx', async () => {
    const target = await receiver();
    target.answer((_, response) => response.writeHead(500).end('internal secret'));
    await expect(outbound(loopback).post(target.url, post)).resolves.toMatchObject({ status: 500, body: '' });
  });

  it('reads Retry-After as seconds and as a date', async () => {
    const target = await receiver();
    const guarded = outbound(loopback);
    target.answer((_, response) => response.writeHead(429, { 'retry-after': '120' }).end());
    expect((await guarded.post(target.url, post)).retryAfterSeconds).toBe(120);
    target.answer((_, response) =>
      response.writeHead(503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }).end(),
    );
    expect((await guarded.post(target.url, post)).retryAfterSeconds).toBeGreaterThan(55);
    target.answer((_, response) => response.writeHead(503, { 'retry-after': 'soon' }).end());
    expect(await guarded.post(target.url, post)).not.toHaveProperty('retryAfterSeconds');
  });

  it('takes a 2xx whose body breaks off, lies about its length or hangs', async () => {
    const answers = [
      'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nok',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz',
    ];
    for (const answer of answers) {
      const port = await tcpServer((socket) => socket.once('data', () => socket.end(answer)));
      await expect(outbound(loopback).post(`http://127.0.0.1:${port}/`, post)).resolves.toMatchObject({
        status: 200,
      });
    }
    const port = await tcpServer((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nok')),
    );
    await expect(
      outbound(loopback).post(`http://127.0.0.1:${port}/`, { ...post, timeoutMs: 300 }),
    ).resolves.toMatchObject({ status: 200, body: 'ok' });
  });

  it('fails in generic words when the receiver is down, hangs, closes early or talks nonsense', async () => {
    const guarded = outbound(loopback);
    const gone = await startReceiver();
    await gone.close();
    await expect(guarded.post(gone.url, post)).rejects.toMatchObject({
      code: 'fetch_failed',
      details: { failure: 'connection' },
    });
    const hanging = await tcpServer(() => undefined);
    await expect(guarded.post(`http://127.0.0.1:${hanging}/`, { ...post, timeoutMs: 200 })).rejects.toMatchObject({
      code: 'fetch_failed',
      details: { failure: 'timeout' },
    });
    const closing = await tcpServer((socket) => socket.once('data', () => socket.destroy()));
    await expect(guarded.post(`http://127.0.0.1:${closing}/`, post)).rejects.toMatchObject({
      code: 'fetch_failed',
      details: { failure: 'connection' },
    });
    const nonsense = await tcpServer((socket) => socket.once('data', () => socket.end('nonsense\r\n\r\n')));
    await expect(guarded.post(`http://127.0.0.1:${nonsense}/`, post)).rejects.toMatchObject({
      code: 'fetch_failed',
      message: 'The connection to the address failed',
    });
    await expect(guarded.post(`https://127.0.0.1:${nonsense}/`, post)).rejects.toMatchObject({
      code: 'fetch_failed',
    });
  });

  it('does not wait a minute for a connection', async () => {
    const silent = outbound({ lookup: () => new Promise(() => undefined) });
    const startedAt = performance.now();
    await expect(silent.post('http://silent.test/', { ...post, timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'fetch_failed',
      details: { failure: 'timeout' },
    });
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });

  it('fails when the name does not resolve', async () => {
    const unknown = outbound({ lookup: () => Promise.reject(new Error('ENOTFOUND')) });
    await expect(unknown.post('http://unknown.test/', post)).rejects.toMatchObject({
      code: 'fetch_failed',
      details: { failure: 'dns' },
    });
  });
});
