import { readConfig, settingsTable } from '../config.ts';
import { type Config, settings } from '../settings.ts';
import { type Command, columns } from './command.ts';

/** `config`: what the gateway would be told by this environment. */
export const configCommand: Command = {
  summary: 'Shows every setting, its value here and now, and its meaning.',
  options: { markdown: { type: 'boolean', doc: 'The table of the README: defaults instead of values' } },
  run(typed, context) {
    if (typed.flag('markdown')) context.print(settingsTable());
    else context.print(settingRows(context.config()).join('\n'));
    return Promise.resolve();
  },
};

function settingRows(config: Config): string[] {
  const { whatsappWebCacheDir } = readConfig({ DATA_DIR: config.dataDir });
  const defaults = { ...readConfig({}), whatsappWebCacheDir };
  const rows = Object.entries(settings).map(([name, { key, doc }]) => {
    const value = shown(name, config[key]);
    return [name, value, value === shown(name, defaults[key]) ? 'default' : 'set', doc];
  });
  return columns([['VARIABLE', 'VALUE', '', 'MEANING'], ...rows]);
}

function shown(name: string, value: Config[keyof Config]): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return '-';
  if (/SECRET|TOKEN/.test(name)) return '(hidden)';
  const text = Array.isArray(value) ? value.join(name === 'CHROMIUM_ARGS' ? ' ' : ',') : String(value);
  return name === 'DATABASE_URL' || name === 'OUTBOUND_PROXY' ? withoutPassword(text) : text;
}

/** Returns an address, of a database or a proxy, that may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^:@/]*):.*@/, '$1:***@');
}
