import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { settingsTable } from '../../src/config.ts';
import { cli } from './support.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

describe('the README', () => {
  it('holds the table of settings as the code has it', () => {
    expect(readme).toContain(`\n${settingsTable()}\n<!-- /settings -->`);
  });

  it('names every command', async () => {
    const { out } = await cli([], {});
    const names = [...out.matchAll(/^ {2}([a-z]+(?: [a-z]+)?)(?= <|  )/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});
