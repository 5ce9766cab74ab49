import { ConfigError } from '../config.ts';
import { reasonOf } from '../model/errors.ts';
import { auditCommands } from './audit.ts';
import { campaignCommands } from './campaign.ts';
import { type Command, columns, commandHelp, type Context, readTyped, UsageError } from './command.ts';
import { configCommand } from './config.ts';
import { diagnosisCommands } from './diagnosis.ts';
import { doctorCommand } from './doctor.ts';
import { instanceCommands } from './instance.ts';
import { metricsCommand } from './metrics.ts';
import { messageCommands } from './message.ts';
import { migrateCommand } from './migrate.ts';
import { secretCommands } from './secret.ts';
import { tokenCommands } from './token.ts';
import { webVersionCommands } from './web-version.ts';
import { deliveryCommands } from './webhook-deliveries.ts';
import { webhookCommands } from './webhook.ts';

/** Every command by what is typed for it: a noun and a verb, or one word. */
const commands: Record<string, Command> = {
  ...withNoun('token', tokenCommands),
  ...withNoun('secret', secretCommands),
  ...withNoun('instance', { ...instanceCommands, ...diagnosisCommands }),
  ...withNoun('webhook', { ...webhookCommands, ...deliveryCommands }),
  ...withNoun('message', messageCommands),
  ...withNoun('campaign', campaignCommands),
  ...withNoun('audit', auditCommands),
  ...withNoun('web-version', webVersionCommands),
  doctor: doctorCommand,
  config: configCommand,
  metrics: metricsCommand,
  migrate: migrateCommand,
};

function withNoun(noun: string, verbs: Record<string, Command>): Record<string, Command> {
  return Object.fromEntries(Object.entries(verbs).map(([verb, command]) => [`${noun} ${verb}`, command]));
}

/** Runs what was typed and returns the exit status: 0 done, 1 not done, 2 not understood. */
export async function runCli(words: string[], context: Context): Promise<number> {
  const isHelp = (word: string, index: number): boolean =>
    word === '--help' || word === '-h' || (word === 'help' && index === 0);
  const asksHelp = words.some(isHelp);
  const rest = words.filter((word, index) => !isHelp(word, index));
  const name = [rest.slice(0, 2).join(' '), rest[0] ?? ''].find((candidate) => Object.hasOwn(commands, candidate));
  const command = name === undefined ? undefined : commands[name];
  if (name === undefined || command === undefined) return explain(rest, asksHelp, context);
  if (asksHelp) {
    context.print(commandHelp(name, command));
    return 0;
  }
  try {
    const typed = readTyped(command, rest.slice(name.split(' ').length));
    return (await command.run(typed, context)) ?? 0;
  } catch (error) {
    if (context.signal.aborted) return 130;
    context.warn(error instanceof ConfigError ? error.message : reasonOf(error));
    if (!(error instanceof UsageError)) return 1;
    context.warn(`\n${commandHelp(name, command)}`);
    return 2;
  }
}

/** Lists the commands, those of the noun when one was typed. */
function explain(words: string[], asksHelp: boolean, context: Context): number {
  const [noun] = words;
  const ofNoun = Object.entries(commands).filter(([name]) => name.split(' ')[0] === noun);
  const isUnderstood = words.length === 0 || (words.length === 1 && ofNoun.length > 0) || asksHelp;
  const say = isUnderstood ? context.print : context.warn;
  if (!isUnderstood) say(`There is no command \`${words.slice(0, 2).join(' ')}\`.`);
  if (!isUnderstood && ofNoun.length === 0) {
    say('`npm run wapbridge -- --help` lists them.');
    return 2;
  }
  const shown = ofNoun.length > 0 ? ofNoun : Object.entries(commands);
  const lines = columns(
    shown.map(([name, { args = [], summary }]) => [[name, ...args.map((arg) => `<${arg}>`)].join(' '), summary]),
  );
  say(
    [
      'Usage: npm run wapbridge -- <command>',
      '',
      ...lines.map((line) => `  ${line}`),
      '',
      'Add --help to a command for its options.',
    ].join('\n'),
  );
  return isUnderstood ? 0 : 2;
}
