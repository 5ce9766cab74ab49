import { describe, expect, it } from 'vitest';
import { createDenied } from '../src/outbound-denied.ts';

describe('places that are never reached', () => {
  const asked: string[] = [];
  const isDenied = createDenied(
    [
      { host: '0.0.0.0', port: 8080 },
      { host: 'localhost', port: 9090 },
      { host: '192.168.1.9', port: 3306 },
      { host: 'mariadb', port: 3307 },
      { host: 'gone', port: 3308 },
    ],
    {
      ownAddresses: () => ['127.0.0.1', '192.168.1.5', 'fe80::5', '2001:db8::5'],
      async lookup(hostname) {
        asked.push(hostname);
        if (hostname === 'gone') throw new Error('no such name');
        return [{ address: '172.18.0.2', family: 4 }];
      },
    },
  );

  it.each([
    // A listener on every address: all that the machine has.
    ['192.168.1.5', 8080],
    ['::ffff:192.168.1.5', 8080],
    ['2001:db8::5', 8080],
    ['127.0.0.1', 8080],
    ['127.8.9.10', 8080],
    ['::1', 8080],
    ['0.0.0.0', 8080],
    ['127.0.0.1', 9090],
    ['::1', 9090],
    ['192.168.1.9', 3306],
    ['::ffff:c0a8:109', 3306],
    // A database that has a name, as in compose files.
    ['172.18.0.2', 3307],
  ])('has %s:%i', async (address, port) => {
    expect(await isDenied(address, port)).toBe(true);
  });

  it.each([
    ['192.168.1.6', 8080],
    ['192.168.1.5', 8081],
    ['192.168.1.5', 9090],
    ['192.168.1.5', 3306],
    ['172.18.0.3', 3307],
    ['172.18.0.2', 3308],
  ])('has not %s:%i', async (address, port) => {
    expect(await isDenied(address, port)).toBe(false);
  });

  it('asks for no name while no port is theirs', () => {
    asked.length = 0;
    expect(isDenied('172.18.0.2', 443)).toBe(false);
    expect(asked).toEqual([]);
  });
});
