import { expect, it } from 'vitest';
import { ConfigError, readConfig, settingsTable } from '../src/config.ts';
import { settings } from '../src/settings.ts';

it('has a default for everything', () => {
  expect(readConfig({})).toMatchObject({
    port: 8080,
    host: '127.0.0.1',
    sandbox: false,
    chromiumArgs: [],
    logLevel: 'info',
  });
});

it('reads numbers, switches, lists and arguments', () => {
  const config = readConfig({
    PORT: '9000',
    SANDBOX: 'true',
    WEBHOOK_ALLOW_CIDRS: '192.168.1.0/24, 127.0.0.1',
    WEBHOOK_ALLOW_PORTS: '81, 8',
    CHROMIUM_ARGS: '--a=1  --b',
    DEFAULT_COUNTRY: 'tz',
    PUBLIC_URL: 'https://wa.example.com/',
  });
  expect(config).toMatchObject({
    port: 9000,
    sandbox: true,
    webhookAllowCidrs: ['192.168.1.0/24', '127.0.0.1/32'],
    webhookAllowPorts: [81, 8],
    chromiumArgs: ['--a=1', '--b'],
    defaultCountry: 'TZ',
    publicUrl: 'https://wa.example.com',
  });
});

it('takes an empty value as not set', () => {
  expect(readConfig({ PORT: '', SECRET_KEY: '' })).toMatchObject({ port: 8080, secretKey: null });
});

it('names everything that is wrong at once, without repeating secrets', () => {
  const read = () =>
    readConfig({
      PORT: 'eighty',
      DATABASE_URL: 'postgres://u:hunter2@h/db',
      WEBHOOK_ALLOW_CIDRS: 'lan',
      SECRET_KEY: 'short',
      DEFAULT_COUNTRY: 'XX',
      BOOTSTRAP_API_KEY: 'abcd',
    });
  expect(read).toThrow(ConfigError);
  try {
    read();
  } catch (error) {
    const { message, problems } = error as ConfigError;
    for (const name of [
      'PORT',
      'DATABASE_URL',
      'WEBHOOK_ALLOW_CIDRS',
      'SECRET_KEY',
      'DEFAULT_COUNTRY',
      'BOOTSTRAP_API_SECRET',
    ])
      expect(message).toContain(name);
    expect(problems).toHaveLength(6);
    expect(message).not.toMatch(/hunter2|short/);
  }
});

it('is printed as a table with a row for each variable', () => {
  const table = settingsTable();
  for (const name of Object.keys(settings)) expect(table).toContain(`| \`${name}\` |`);
});
