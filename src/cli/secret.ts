import { createSealing, type SealState, type Sealing } from '../core/reseal.ts';
import { forgetPreviousKeys, newSecretKey, readSecretKeys, rotateKeyFile } from '../core/secret-keys.ts';
import { createSecrets, type SecretKeys } from '../core/secrets.ts';
import { createInstanceStore } from '../store/instances.ts';
import { createWebhookStore } from '../store/webhooks.ts';
import { type Command, columns, type Context } from './command.ts';
import { withDatabase } from './store.ts';

/** `secret …`: the key that encrypts stored secrets and signs media URLs; works with and without a running gateway. */
export const secretCommands: Record<string, Command> = {
  status: {
    summary: 'Shows how many stored secrets need which key.',
    run: (_, context) =>
      withSealing(context, async (sealing, keys) => {
        const { total, old, lost } = await sealing.state();
        const rows = [
          ['current key', context.config().secretKey === null ? 'DATA_DIR/secret.key' : 'SECRET_KEY'],
          ['previous keys', String(keys.previous.length)],
          ['webhooks and proxies with secrets', String(total)],
          ['  that need a previous key', String(old - lost.length)],
          ['  that no key opens', lost.length === 0 ? '0' : lost.join(', ')],
        ];
        context.print(columns(rows).join('\n'));
        return lost.length === 0 ? 0 : 1;
      }),
  },

  rotate: {
    summary: 'Makes a new key; the next start of the gateway seals everything anew with it.',
    async run(_, context) {
      const { secretKey, dataDir } = context.config();
      if (secretKey === null) {
        await rotateKeyFile(dataDir);
        context.print('DATA_DIR/secret.key has a new key; the one before stays in it as a previous key.');
        context.print('Restart the gateway: it seals the stored secrets anew.');
      } else {
        context.print(`SECRET_KEY=${newSecretKey()}`);
        context.warn('Set this, put the present value in front of SECRET_KEY_PREVIOUS, and restart the gateway.');
      }
      context.warn(
        'Media URLs signed by the previous key are valid for 7 days: keep it so long, then `secret forget`.',
      );
    },
  },

  forget: {
    summary: 'Removes the previous keys from DATA_DIR/secret.key, once nothing needs them.',
    run: (_, context) =>
      withSealing(context, async (sealing) => {
        const { secretKey, dataDir } = context.config();
        if (secretKey !== null)
          throw new Error('The key is SECRET_KEY: remove SECRET_KEY_PREVIOUS and DATA_DIR/secret.key yourself.');
        assertUnneeded(await sealing.state());
        context.print(`${await forgetPreviousKeys(dataDir)} previous keys are forgotten.`);
      }),
  },

  discard: {
    summary:
      'Removes the stored secrets that no key opens; their webhooks are disabled and their instances stopped until they get new ones.',
    options: { yes: { type: 'boolean', doc: 'Needed: there is no way back' } },
    run: (typed, context) =>
      withSealing(context, async (sealing) => {
        const { lost } = await sealing.state();
        if (lost.length === 0) return context.print('Every stored secret can be opened: nothing is discarded.');
        if (!typed.flag('yes'))
          throw new Error(`The secrets of ${lost.join(', ')} would be removed for good: add --yes to do it.`);
        const discarded = await sealing.discardLost();
        context.print(
          `The secrets of ${discarded.join(', ')} are removed; their webhooks are disabled, their instances stopped.`,
        );
      }),
  },
};

function assertUnneeded({ old, lost }: SealState): void {
  if (lost.length > 0) throw new Error(`No key opens what is stored for ${lost.join(', ')}: nothing is forgotten.`);
  if (old > 0)
    throw new Error(
      `${old} webhooks or proxies still need a previous key: restart the gateway, which seals them anew.`,
    );
}

function withSealing<T>(context: Context, work: (sealing: Sealing, keys: SecretKeys) => Promise<T>): Promise<T> {
  return withDatabase(context, async (database) => {
    const keys = await readSecretKeys(context.config());
    const endpoints = createWebhookStore(database);
    const instances = createInstanceStore(database);
    return work(createSealing({ database, endpoints, instances, secrets: createSecrets(keys) }), keys);
  });
}
