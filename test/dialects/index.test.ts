import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createDialects } from '../../src/dialects/index.ts';
import { createFakeCore } from './fake-core.ts';

const dialects = createDialects({
  core: createFakeCore(),
  log: pino({ level: 'silent' }),
  version: '0.1.0',
  rateLimitPerMinute: 100,
  syncSendTimeoutMs: 1_000,
  defaultCountry: null,
});

describe('the dialects', () => {
  it('never claim the same method and path twice', () => {
    const claims = dialects.flatMap(({ name, routes }) =>
      routes.flatMap((route) => route.methods.map((method) => `${method} ${route.path.replace(/:\w+/g, ':')} ${name}`)),
    );
    const owners = new Map<string, string>();
    for (const claim of claims) {
      const [method = '', path = '', name = ''] = claim.split(' ');
      expect(owners.get(`${method} ${path}`), claim).toBeUndefined();
      owners.set(`${method} ${path}`, name);
    }
    expect(owners.size).toBe(claims.length);
  });

  it.each(dialects.map((dialect) => [dialect.name, dialect] as const))(
    '%s has a limit for every class of its routes',
    (_name, dialect) => {
      for (const route of dialect.routes) expect(Object.keys(dialect.limits.token)).toContain(route.limit);
    },
  );

  it.each(dialects.map((dialect) => [dialect.name, dialect] as const))(
    '%s names every route in its README',
    (name, dialect) => {
      const readme = readFileSync(new URL(`../../src/dialects/${name}/README.md`, import.meta.url), 'utf8');
      for (const route of dialect.routes) expect(readme).toContain(route.path.split('/').at(-1));
    },
  );
});
