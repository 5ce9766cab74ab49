import { describe, expect, it } from 'vitest';
import type { Outbound } from '../src/outbound.ts';
import { loopback, useOutboundBed } from './support/outbound-bed.ts';

const { outbound, receiver, tcpServer } = useOutboundBed();

describe('download', () => {
  const limits = { maxBytes: 1000, timeoutMs: 2000 };
  async function bytesOf(download: ReturnType<Outbound['download']>): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of (await download).stream as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  it('streams the bytes and tells the type and the name that the server claims', async () => {
    const target = await receiver();
    target.answer((_, response) =>
      response
        .writeHead(200, {
          'content-type': 'Image/PNG; x=y',
          'content-disposition': `attachment; filename="a\\"b.png"`,
        })
        .end('bytes'),
    );
    const download = await outbound(loopback).download(target.url, limits);
    expect(download).toMatchObject({ mimeType: 'image/png', filename: 'a"b.png' });
    expect(await bytesOf(Promise.resolve(download))).toBe('bytes');
  });

  it.each([
    [
      { 'content-disposition': "attachment; filename=x.pdf; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf" },
      '/hook',
      'résumé.pdf',
    ],
    [{ 'content-disposition': 'inline; filename=plain.txt' }, '/hook', 'plain.txt'],
    [{}, '/files/in%20voice.pdf?x=1', 'in voice.pdf'],
    [{}, '/files/%E0%A4%A.pdf', '%E0%A4%A.pdf'],
    [{}, '/hook', undefined],
  ])('reads the name from %j and %s', async (headers, path, filename) => {
    const target = await receiver();
    target.answer((_, response) => response.writeHead(200, headers).end('x'));
    const download = await outbound(loopback).download(new URL(path, target.url).href, limits);
    download.stream.resume();
    expect(download.filename).toBe(filename);
  });

  it('refuses what is too large, by its declared and by its real length', async () => {
    const target = await receiver();
    target.answer((_, response) => response.writeHead(200, { 'content-length': '1001' }).end('x'.repeat(1001)));
    await expect(outbound(loopback).download(target.url, limits)).rejects.toMatchObject({ code: 'too_large' });
    target.answer((_, response) => {
      response.write('x'.repeat(900));
      response.end('x'.repeat(900));
    });
    await expect(bytesOf(outbound(loopback).download(target.url, limits))).rejects.toMatchObject({
      code: 'too_large',
    });
  });

  it.each([301, 302, 307, 404, 500])('fails on status %i', async (status) => {
    const target = await receiver();
    target.answer((_, response) => response.writeHead(status, { location: 'http://8.8.8.8/' }).end('no'));
    await expect(outbound(loopback).download(target.url, limits)).rejects.toMatchObject({ code: 'fetch_failed' });
  });

  it('fails when the body hangs, breaks off or comes compressed', async () => {
    const hanging = await tcpServer((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok')),
    );
    await expect(
      bytesOf(outbound(loopback).download(`http://127.0.0.1:${hanging}/`, { ...limits, timeoutMs: 200 })),
    ).rejects.toMatchObject({ code: 'fetch_failed', details: { failure: 'timeout' } });
    const short = await tcpServer((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok')),
    );
    await expect(bytesOf(outbound(loopback).download(`http://127.0.0.1:${short}/`, limits))).rejects.toMatchObject({
      code: 'fetch_failed',
    });
    const target = await receiver();
    target.answer((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'));
    await expect(outbound(loopback).download(target.url, limits)).rejects.toMatchObject({ code: 'fetch_failed' });
  });
});
