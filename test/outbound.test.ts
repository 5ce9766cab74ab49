import { createServer as createHttp } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { isPublicAddress } from '../src/model/address.ts';
import { createOutbound, type Outbound, type OutboundOptions } from '../src/outbound.ts';
import { startReceiver, type Receiver } from './support/receiver.ts';

const badAddresses = [
  '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '100.127.255.255', '127.0.0.1', '127.0.0.53', '127.255.255.255',
  '169.254.0.1', '169.254.169.254', '169.254.170.2', '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.0.192', '192.0.2.1', '192.31.196.1', '192.52.193.1',
  '192.88.99.1', '192.168.0.1', '192.168.255.255', '192.175.48.1', '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.250',
  '240.0.0.1', '255.255.255.254', '255.255.255.255',
  '::', '::1', '::7f00:1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '::ffff:0:127.0.0.1', '64:ff9b::7f00:1', '64:ff9b::10.0.0.1', '64:ff9b:1::1',
  '100::1', '100:0:0:1::1', '2001::1', '2001:0:7f00:1::', '2001:2::1', '2001:3::1', '2001:4:112::1', '2001:10::1', '2001:20::1', '2001:30::1', '2001:db8::1', '2002:7f00:1::', '2002:a00:1::1', '2620:4f:8000::1',
  '3fff::1', '5f00::1', 'fc00::1', 'fd00:ec2::254', 'fd12:3456::1', 'fe80::1', 'fec0::1', 'ff02::1', 'ff0e::1', '4000::1', '8000::1', 'not an address', '',
]; // prettier-ignore

const goodAddresses = ['1.1.1.1', '8.8.8.8', '93.184.216.34', '172.15.255.255', '172.32.0.1', '100.63.255.255', '192.167.1.1', '2606:4700:4700::1111', '2a00:1450:4001:80e::200e', '2001:4860:4860::8888', '::ffff:8.8.8.8']; // prettier-ignore

const badUrls = [
  'http://127.0.0.1/', 'http://127.1/', 'http://2130706433/', 'http://0x7f.1/', 'http://0x7f000001/', 'http://0177.0.0.1/', 'http://017700000001/', 'http://①②⑦.⓪.⓪.①/', 'http://127.0.0.1./', 'http://127。0。0。1/',
  'http://0/', 'http://[::1]/', 'http://[::]/', 'http://[::ffff:127.0.0.1]/', 'http://[::ffff:7f00:1]/', 'http://[::7f00:1]/', 'http://[64:ff9b::7f00:1]/', 'http://[fd00:ec2::254]/latest/', 'http://169.254.169.254/latest/meta-data/', 'http://100.100.100.200/',
  'http://localhost/', 'http://localhost./', 'http://LOCALHOST/', 'http://a.localhost/', 'http://a.localhost./', 'http://10.0.0.1:8000/', 'https://192.168.1.1/', 'http://8.8.8.8:22/', 'http://8.8.8.8:25/', 'https://8.8.8.8:442/', 'http://8.8.8.8:0/',
]; // prettier-ignore

const malformedUrls = ['', 'nonsense', 'ftp://8.8.8.8/', 'file:///etc/passwd', 'gopher://8.8.8.8/', 'javascript:alert(1)', 'http://user@8.8.8.8/', 'http://user:secret@8.8.8.8/', 'http://', 'http://[fe80::1%25eth0]/', 'http://1.2.3.4.5/', `https://8.8.8.8/${'a'.repeat(2048)}`]; // prettier-ignore

describe('public addresses', () => {
  it('are not any of the reserved, private or translated ones', () => {
    expect(badAddresses.length).toBeGreaterThanOrEqual(60);
    expect(badAddresses.filter((address) => isPublicAddress(address))).toEqual([]);
  });

  it('are the others', () => {
    expect(goodAddresses.filter((address) => !isPublicAddress(address))).toEqual([]);
  });
});

describe('outbound', () => {
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  function outbound(options: Partial<OutboundOptions> = {}): Outbound {
    const made = createOutbound({ allowCidrs: [], lookup: neverAsked, ...options });
    closers.push(() => made.close());
    return made;
  }

  async function receiver(): Promise<Receiver> {
    const made = await startReceiver();
    closers.push(() => made.close());
    return made;
  }

  async function tcpServer(onSocket: (socket: Socket) => void): Promise<number> {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      onSocket(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(
      () =>
        new Promise((resolve) => {
          for (const socket of sockets) socket.destroy();
          server.close(() => resolve());
        }),
    );
    return (server.address() as AddressInfo).port;
  }

  const post = { body: '{}', headers: {}, timeoutMs: 2000 };
  const loopback = { allowCidrs: ['127.0.0.0/8'] };
  const resolvesTo = (...addresses: string[]) => ({
    lookup: () => Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))),
  });

  describe('refuses', () => {
    it.each(badUrls)('%s, without asking DNS', async (url) => {
      const { assertAllowed, post: send, download } = outbound();
      await expect(assertAllowed(url)).rejects.toMatchObject({
        code: 'blocked_address',
        message: 'The address is not allowed; networks of your own must stand in WEBHOOK_ALLOW_CIDRS',
      });
      await expect(send(url, post)).rejects.toMatchObject({ code: 'blocked_address' });
      await expect(download(url, { maxBytes: 10, timeoutMs: 1000 })).rejects.toMatchObject({ code: 'blocked_address' });
    });

    it.each(malformedUrls)('the malformed URL %j', async (url) => {
      await expect(outbound().assertAllowed(url)).rejects.toMatchObject({ code: 'invalid_input' });
      await expect(outbound().post(url, post)).rejects.toMatchObject({ code: 'invalid_input' });
    });

    it('names that resolve to a bad address, also beside a good one', async () => {
      for (const answers of [
        ['10.0.0.1'],
        ['::1'],
        ['93.184.216.34', '127.0.0.1'],
        ['127.0.0.1', '93.184.216.34'],
        ['2606:4700::1', '::ffff:169.254.169.254'],
      ]) {
        const { assertAllowed, post: send } = outbound(resolvesTo(...answers));
        await expect(assertAllowed('https://example.com/')).rejects.toMatchObject({ code: 'blocked_address' });
        await expect(send('http://example.com/', post)).rejects.toMatchObject({ code: 'blocked_address' });
      }
    });

    it('a name that resolves to a public address first and to loopback when it is dialled', async () => {
      const target = await receiver();
      let asked = 0;
      const rebinding = outbound({
        lookup: () => Promise.resolve([{ address: asked++ === 0 ? '93.184.216.34' : '127.0.0.1', family: 4 }]),
      });
      await rebinding.assertAllowed(`http://rebind.test:${target.port}/`);
      await expect(rebinding.post(`http://rebind.test:${target.port}/`, post)).rejects.toMatchObject({
        code: 'blocked_address',
      });
      expect(asked).toBe(2);
      expect(target.requests).toEqual([]);
    });

    it('http where only https is wanted', async () => {
      await expect(outbound({ httpsOnly: true }).assertAllowed('http://8.8.8.8/')).rejects.toMatchObject({
        code: 'invalid_input',
      });
    });

    it('ports below 443 that are not allowed, and no others', async () => {
      const { assertAllowed } = outbound({ allowPorts: [81] });
      await assertAllowed('http://8.8.8.8:81/');
      await assertAllowed('http://8.8.8.8:444/');
      await expect(assertAllowed('http://8.8.8.8:82/')).rejects.toMatchObject({ code: 'blocked_address' });
    });

    it('a peer that is another than the one that was dialled, before a byte of the request is written', async () => {
      const bytes: Buffer[] = [];
      const port = await tcpServer((socket) => socket.on('data', (chunk) => bytes.push(chunk)));
      // Linux connects `0.0.0.0` to loopback, which is not allowed.
      const guarded = outbound({ allowCidrs: ['0.0.0.0/32'] });
      await expect(guarded.post(`http://0.0.0.0:${port}/`, post)).rejects.toMatchObject({ code: 'blocked_address' });
      expect(bytes).toEqual([]);
    });

    it('a database that is known by its name, inside an allowed network', async () => {
      const bytes: Buffer[] = [];
      const port = await tcpServer((socket) => socket.on('data', (chunk) => bytes.push(chunk)));
      const guarded = outbound({
        ...loopback,
        ...resolvesTo('127.0.0.1'),
        denyTargets: [{ host: 'mariadb', port }],
      });
      for (const host of ['127.0.0.1', 'mariadb', 'another.test']) {
        await expect(guarded.assertAllowed(`http://${host}:${port}/`)).rejects.toMatchObject({
          code: 'blocked_address',
        });
        await expect(guarded.post(`http://${host}:${port}/`, post)).rejects.toMatchObject({ code: 'blocked_address' });
      }
      expect(bytes).toEqual([]);
    });

    it('what lies outside the allowed networks', async () => {
      const { assertAllowed } = outbound({ allowCidrs: ['192.168.7.0/24', 'fd00::/64', '10.1.2.3'] });
      for (const url of [
        'http://192.168.7.9:8000/',
        'http://[fd00::5]/',
        'http://10.1.2.3/',
        'http://[::ffff:192.168.7.9]/',
      ])
        await assertAllowed(url);
      for (const url of ['http://192.168.8.9/', 'http://[fd00:0:0:1::5]/', 'http://10.1.2.4/', 'http://localhost/']) {
        await expect(assertAllowed(url)).rejects.toMatchObject({ code: 'blocked_address' });
      }
    });

    it('its own listener inside an allowed network, before a byte of the request is written', async () => {
      const bytes: Buffer[] = [];
      const port = await tcpServer((socket) => socket.on('data', (chunk) => bytes.push(chunk)));
      const guarded = outbound({
        ...loopback,
        ...resolvesTo('127.0.0.1'),
        denyTargets: [{ host: '0.0.0.0', port }],
      });
      for (const host of ['127.0.0.1', 'own.test', 'localhost']) {
        await expect(guarded.assertAllowed(`http://${host}:${port}/`)).rejects.toMatchObject({
          code: 'blocked_address',
        });
        await expect(guarded.post(`http://${host}:${port}/`, post)).rejects.toMatchObject({ code: 'blocked_address' });
      }
      expect(bytes).toEqual([]);
    });
  });

  it('accepts public addresses and names', async () => {
    const { assertAllowed } = outbound(resolvesTo('93.184.216.34', '2606:4700::1'));
    for (const url of [
      'https://example.com/hook',
      'http://example.com:8000/',
      'https://8.8.8.8/',
      'https://[2606:4700:4700::1111]:8443/',
    ])
      await assertAllowed(url);
  });

  it('reaches localhost by name when loopback is allowed, whatever DNS says', async () => {
    const target = await receiver();
    await expect(outbound(loopback).post(`http://localhost:${target.port}/`, post)).resolves.toMatchObject({
      status: 200,
      body: 'ok',
    });
  });

  describe('through a proxy', () => {
    /** A proxy that knows `erp.example`, and refuses everything else; tells what it was asked for. */
    async function proxy(target: Receiver) {
      const asked: string[] = [];
      const server = createHttp((_, response) => response.writeHead(405).end());
      const sockets = new Set<Duplex>();
      server.on('connect', (request, client: Duplex) => {
        asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
        sockets.add(client.on('error', () => client.destroy()));
        if (!request.url?.startsWith('erp.example:')) return client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        const upstream = connect(target.port, '127.0.0.1', () => {
          client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
          client.pipe(upstream).pipe(client);
        });
        sockets.add(upstream.on('error', () => client.destroy()));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      closers.push(
        () =>
          new Promise((resolve) => {
            for (const socket of sockets) socket.destroy();
            server.close(() => resolve());
          }),
      );
      return { asked, url: `http://me:hu%3Ash@127.0.0.1:${(server.address() as AddressInfo).port}` };
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

    it('keeps 1 KiB of a 5 MB answer and reads little more', async () => {
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
});

function neverAsked(): Promise<never> {
  throw new Error('DNS was asked');
}
