import { describe, expect, it } from 'vitest';
import { loopback, post, useOutboundBed } from './support/outbound-bed.ts';

const badUrls = [
  'http://127.0.0.1/', 'http://127.1/', 'http://2130706433/', 'http://0x7f.1/', 'http://0x7f000001/', 'http://0177.0.0.1/', 'http://017700000001/', 'http://①②⑦.⓪.⓪.①/', 'http://127.0.0.1./', 'http://127。0。0。1/',
  'http://0/', 'http://[::1]/', 'http://[::]/', 'http://[::ffff:127.0.0.1]/', 'http://[::ffff:7f00:1]/', 'http://[::7f00:1]/', 'http://[64:ff9b::7f00:1]/', 'http://[fd00:ec2::254]/latest/', 'http://169.254.169.254/latest/meta-data/', 'http://100.100.100.200/',
  'http://localhost/', 'http://localhost./', 'http://LOCALHOST/', 'http://a.localhost/', 'http://a.localhost./', 'http://10.0.0.1:8000/', 'https://192.168.1.1/', 'http://8.8.8.8:22/', 'http://8.8.8.8:25/', 'https://8.8.8.8:442/', 'http://8.8.8.8:0/',
]; // prettier-ignore

const malformedUrls = ['', 'nonsense', 'ftp://8.8.8.8/', 'file:///etc/passwd', 'gopher://8.8.8.8/', 'javascript:alert(1)', 'http://user@8.8.8.8/', 'http://user:secret@8.8.8.8/', 'http://', 'http://[fe80::1%25eth0]/', 'http://1.2.3.4.5/', `https://8.8.8.8/${'a'.repeat(2048)}`]; // prettier-ignore

const { outbound, receiver, tcpServer } = useOutboundBed();
const resolvesTo = (...addresses: string[]) => ({
  lookup: () => Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))),
});

/** Starts a server that writes down what it is told. */
async function recorder() {
  const bytes: Buffer[] = [];
  const port = await tcpServer((socket) => socket.on('data', (chunk) => bytes.push(chunk)));
  return { bytes, port };
}

/** None of these hosts is let through, and nothing is said to what listens there. */
async function refusesAll(hosts: string[], deniedHost: string): Promise<void> {
  const { bytes, port } = await recorder();
  const guarded = outbound({ ...loopback, ...resolvesTo('127.0.0.1'), denyTargets: [{ host: deniedHost, port }] });
  for (const host of hosts) {
    const url = `http://${host}:${port}/`;
    await expect(guarded.assertAllowed(url)).rejects.toMatchObject({ code: 'blocked_address' });
    await expect(guarded.post(url, post)).rejects.toMatchObject({ code: 'blocked_address' });
  }
  expect(bytes).toEqual([]);
}

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
    const { bytes, port } = await recorder();
    // Linux connects `0.0.0.0` to loopback, which is not allowed.
    const guarded = outbound({ allowCidrs: ['0.0.0.0/32'] });
    await expect(guarded.post(`http://0.0.0.0:${port}/`, post)).rejects.toMatchObject({ code: 'blocked_address' });
    expect(bytes).toEqual([]);
  });

  it('a database that is known by its name, inside an allowed network', () =>
    refusesAll(['127.0.0.1', 'mariadb', 'another.test'], 'mariadb'));

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

  it('its own listener inside an allowed network, before a byte of the request is written', () =>
    refusesAll(['127.0.0.1', 'own.test', 'localhost'], '0.0.0.0'));
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
