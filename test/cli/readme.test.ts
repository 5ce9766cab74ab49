import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { settingsTable } from '../../src/config.ts';
import { metricPrefix, metricsTable, metricTable } from '../../src/core/metrics/catalogue.ts';
import { actionTable } from '../../src/model/action.ts';
import { eventTable } from '../../src/model/events.ts';
import { cli } from './support.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

describe('the README', () => {
  it('holds the table of settings as the code has it', () => {
    expect(readme).toContain(`\n${settingsTable()}\n<!-- /settings -->`);
  });

  it('holds the table of metrics as the code has it', () => {
    expect(readme).toContain(`\n${metricsTable()}\n<!-- /metrics -->`);
  });

  it('says what to do for everything that an instance may ask of a person', () => {
    const codes = [...readme.matchAll(/^\| `(\w+)` \| .+ \|$/gm)].map(([, code]) => code);
    expect(codes).toEqual(expect.arrayContaining(Object.keys(actionTable)));
  });

  it('asks for metrics that there are', () => {
    const known = new Set(Object.keys(metricTable).map((name) => metricPrefix + name));
    const named = [...readme.matchAll(/wapbridge_[a-z][a-z_]*(?=[\s{`)=<>[])/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it('names every event that a webhook can have', () => {
    expect(Object.keys(eventTable).filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });

  it('finds every heading that it points to', () => {
    const headings = new Set(
      [...readme.matchAll(/^#+ (.+)$/gm)].map(([, text]) => text!.toLowerCase().replaceAll(' ', '-')),
    );
    const links = [...readme.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor!);
    expect(links.filter((anchor) => !headings.has(anchor))).toEqual([]);
  });

  it('names every command', async () => {
    const { out } = await cli([], {});
    const names = [...out.matchAll(/^ {2}([a-z]+(?: [a-z]+)?)(?= <|  )/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});
