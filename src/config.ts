import { resolve } from 'node:path';
import { type Config, type Setting, settings } from './settings.ts';

/** What is wrong with the environment; the start stops with it. */
export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * Returns the configuration read from environment variables; `defaults` stand in for those that are not set.
 * @throws ConfigError with every problem at once
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env, defaults: NodeJS.ProcessEnv = {}): Config {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const { value, error } = setting.schema.validate(rawValue(setting, env[name] ?? defaults[name]), {
      convert: true,
      errors: { label: false },
    });
    if (error) problems.push(`${name}: ${error.message} (it is ${describe(name, env[name])})`);
    config[setting.key] = value;
  }
  const result = config as unknown as Config;
  if ((result.bootstrapApiKey === null) !== (result.bootstrapApiSecret === null))
    problems.push('BOOTSTRAP_API_KEY and BOOTSTRAP_API_SECRET go together: one of them is missing');
  if (problems.length > 0) throw new ConfigError(problems);

  result.dataDir = resolve(result.dataDir);
  result.whatsappWebCacheDir = resolve(result.whatsappWebCacheDir ?? `${result.dataDir}/web-cache`);
  if (result.publicUrl) result.publicUrl = result.publicUrl.replace(/\/+$/, '');
  return result;
}

/** Returns the settings as a Markdown table: what `npm run config` prints and the README holds. */
export function settingsTable(): string {
  const rows = Object.entries<Setting>(settings).map(
    ([name, setting]) => `| \`${name}\` | ${defaultOf(setting)} | ${setting.doc} |`,
  );
  return ['| variable | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

function defaultOf(setting: Setting): string {
  if (setting.defaultText) return setting.defaultText;
  const value: unknown = setting.schema.validate(undefined).value;
  if (value === null || (Array.isArray(value) && value.length === 0)) return 'none';
  return `\`${String(value)}\``;
}

/** Lists are written with commas, command-line arguments with spaces; an empty text means the default. */
function rawValue(setting: Setting, text: string | undefined): unknown {
  if (text === undefined || text.trim() === '') return undefined;
  if (setting.schema.type !== 'array') return text.trim();
  return text.split(setting.key === 'chromiumArgs' ? /\s+/ : /\s*,\s*/).filter(Boolean);
}

function describe(name: string, text: string | undefined): string {
  if (/SECRET|TOKEN|DATABASE_URL|OUTBOUND_PROXY/.test(name)) return 'set';
  return text === undefined ? 'not set' : `\`${text}\``;
}
