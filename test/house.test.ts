import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const src = join(root, 'src');

/** Who may import whom: a folder (or a file on the top level of src) → what it may reach. `types:` allows `import type` only. */
const rules: Record<string, string[]> = {
  model: [],
  store: ['model', 'migrations'],
  whatsapp: ['model'],
  core: ['model', 'store', 'whatsapp/client.ts', 'types:outbound.ts'],
  http: ['model', 'core'],
  dialects: ['model', 'core', 'http'],
  jobs: ['model', 'core'],
  sandbox: ['model', 'whatsapp'],
  'outbound.ts': ['model', 'outbound-answer.ts', 'outbound-guard.ts', 'outbound-post.ts'],
  'outbound-guard.ts': ['model', 'outbound-answer.ts', 'outbound-denied.ts', 'outbound-dns.ts'],
  'outbound-denied.ts': ['model', 'types:outbound-dns.ts'],
  'outbound-dns.ts': ['model'],
  'outbound-answer.ts': ['model'],
  'outbound-post.ts': [],
  'config.ts': ['settings.ts'],
  'settings.ts': ['model'],
  'log.ts': ['log-pretty.ts'],
  'log-pretty.ts': [],
  'signals.ts': ['model'],
  'version.ts': [],
  migrations: [],
};

/** Top-level programs put everything together. */
const composition = new Set(['app.ts', 'app', 'main.ts', 'demo.ts', 'demo-receiver.ts', 'cli']);

/** Packages with an owner. */
const owners: Record<string, string[]> = {
  'whatsapp-web.js': ['whatsapp'],
  puppeteer: ['whatsapp'],
  '@puppeteer/browsers': ['whatsapp'],
  knex: ['store', 'migrations', 'types:core'],
  mysql2: ['store'],
  libsql: ['store'],
  koa: ['http', 'dialects', 'app.ts', 'sandbox'],
  '@koa/router': ['http', 'dialects', 'app.ts', 'sandbox'],
  // core reads cron expressions with its parser; what runs by the clock is a job.
  'node-cron': ['jobs', 'core'],
  joi: ['settings.ts', 'http', 'dialects'],
  undici: ['outbound.ts', 'outbound-answer.ts', 'outbound-guard.ts', 'outbound-post.ts'],
  'prom-client': ['core'],
  ws: ['sandbox'],
};

interface Import {
  file: string;
  owner: string;
  target: string;
  isType: boolean;
}

const files = [...sourceFiles(src), ...sourceFiles(join(root, 'migrations'))];
const imports = files.flatMap(importsOf);

describe('the house', () => {
  it('is entered one way: no file imports what its folder may not', () => {
    const broken = imports.filter((entry) => entry.target.startsWith('.') && !isAllowed(entry)).map(describeImport);
    expect(broken).toEqual([]);
  });

  it('has no dialect that imports another', () => {
    const crossing = imports.filter((entry) => {
      const from = /^src\/dialects\/(\w+)\//.exec(entry.file)?.[1];
      const to = /^src\/dialects\/(\w+)\//.exec(resolved(entry))?.[1];
      return from && to && from !== to;
    });
    expect(crossing.map(describeImport)).toEqual([]);
  });

  it('gives each package to its owner', () => {
    const strangers = imports.filter((entry) => {
      const allowed = owners[packageOf(entry.target)];
      return allowed && !composition.has(entry.owner) && !allows(allowed, entry.owner, entry.isType);
    });
    expect(strangers.map(describeImport)).toEqual([]);
  });

  it('reads the environment in config.ts only', () => {
    const readers = files
      .filter((file) => /process\.env/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(root, file));
    expect(readers.filter((file) => file !== 'src/config.ts')).toEqual([]);
  });

  it('keeps SQL in store', () => {
    const writers = files
      .filter((file) => /\b(trx|knex)\((['"`])\w+\2\)|\.raw\(/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(root, file));
    expect(writers.filter((file) => !/^(src\/store|migrations)\//.test(file))).toEqual([]);
  });
});

function isAllowed(entry: Import): boolean {
  if (composition.has(entry.owner)) return true;
  const target = resolved(entry);
  const inside = ownerOf(join(root, target));
  if (inside === entry.owner) return true;
  const path = target.replace(/^src\//, '');
  return (rules[entry.owner] ?? []).some((rule) => {
    const [allowed, typesOnly] = rule.startsWith('types:') ? [rule.slice(6), true] : [rule, false];
    return (path === allowed || path.startsWith(`${allowed}/`)) && (!typesOnly || entry.isType);
  });
}

function allows(list: string[], owner: string, isType: boolean): boolean {
  return list.includes(owner) || (isType && list.includes(`types:${owner}`));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const stated = text.matchAll(/^(?:import|export)\s+(type\s+)?[^'"`;]*?from\s+['"]([^'"]+)['"]/gm);
  // What is loaded where it is needed; `page.require` is WhatsApp Web's.
  const called = text.matchAll(/(?<![.\w])(?:import|require|createRequire\(import\.meta\.url\))\(['"]([^'"]+)['"]\)/g);
  const entryOf = (target: string, isType: boolean) => ({
    file: relative(root, file),
    owner: ownerOf(file),
    target,
    isType,
  });
  return [
    // `import { type A, type B }` without values counts as a type import too.
    ...[...stated].map(([statement, type, target]) =>
      entryOf(target!, Boolean(type) || /^import\s+\{\s*(type\s+\w+\s*,?\s*)+\}/.test(statement)),
    ),
    ...[...called].map(([, target]) => entryOf(target!, false)),
  ];
}

function ownerOf(file: string): string {
  const path = relative(root, file).replace(/^src\//, '');
  return path.split('/')[0]!;
}

/** `knex/lib/dialects/…` is knex, `@koa/router` is itself. */
function packageOf(target: string): string {
  return target.split('/', target.startsWith('@') ? 2 : 1).join('/');
}

function resolved(entry: Import): string {
  return entry.target.startsWith('.') ? relative(root, resolve(root, dirname(entry.file), entry.target)) : entry.target;
}

function describeImport(entry: Import): string {
  return `${entry.file} imports ${entry.target}`;
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}
