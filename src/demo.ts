import { type App, createApp } from './app.ts';
import { readConfig } from './config.ts';
import { createLog } from './log.ts';
import { reasonOf } from './model/errors.ts';
import { accountCaller, type Caller } from './model/token.ts';
import { endOnSignals } from './signals.ts';
import { type DemoReceiver, startDemoReceiver } from './demo-receiver.ts';

const ownPhone = '255757000001';
const otherPhone = '255757123456';
const readyTimeoutMs = 60_000;
const demoSettings = {
  SANDBOX: 'true',
  DATA_DIR: 'data/demo',
  DATABASE_URL: 'sqlite:data/demo/wapbridge.db',
  LOG_LEVEL: 'warn',
  WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
};

/** Starts the gateway with the sandbox, links an instance to a simulated phone and shows what to type. */
async function main(): Promise<void> {
  const config = readConfig(undefined, demoSettings);
  const log = createLog(config.logLevel);
  say('Starting the gateway, a browser and a simulated phone …');
  const app = await createApp({ config, log });
  const receiver = await startDemoReceiver((text) => say(`\n→ webhook received: ${text}`));
  endOnSignals({
    log,
    async close() {
      say('\nEnding …');
      await receiver.close();
      await app.close();
    },
  });

  const { id: accountId } = await app.core.accounts.first();
  const caller = accountCaller(accountId);
  const instanceId = await linkedInstance(app, caller);
  const token = await freshToken(app, accountId);
  await app.core.webhooks.set(accountId, { url: receiver.url, secret: receiver.secret, dialect: 'wapbridge' });
  say(guide({ app, instanceId, token, receiver }));
}

async function linkedInstance({ core, sandbox }: App, caller: Caller): Promise<string> {
  const [known] = await core.instances.list(caller);
  const instance = known ?? (await core.instances.create(caller, { title: 'Demo', defaultCountry: 'TZ' }));
  const deadlineAt = Date.now() + readyTimeoutMs;
  while (Date.now() < deadlineAt) {
    const { status, code } = await core.instances.qr(caller, instance.id);
    if (status === 'ready') return instance.id;
    if (status === 'failed')
      throw new Error((await core.instances.get(caller, instance.id)).reason ?? 'The instance did not start');
    if (code) await sandbox?.network.link(code, { phone: ownPhone, name: 'Demo shop' });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('The instance did not become ready in a minute');
}

async function freshToken({ core }: App, accountId: string): Promise<string> {
  for (const old of await core.tokens.list(accountId))
    if (old.title === 'demo' && old.revokedAt === null) await core.tokens.revoke(accountId, old.key);
  const { token, secret } = await core.tokens.create({ accountId, title: 'demo', scope: 'full' });
  return `${token.key}:${secret}`;
}

function guide({
  app,
  instanceId,
  token,
  receiver,
}: {
  app: App;
  instanceId: string;
  token: string;
  receiver: DemoReceiver;
}): string {
  const api = `${app.url}/api/method/wap_bridge.api.whatsapp`;
  return `
Ready: ${instanceId} is linked to the simulated phone +${ownPhone}.

  Phone simulator   ${app.url}/sandbox
  API key:secret    ${token}
  Webhooks go to    ${receiver.url} (printed here; X-Wapbridge-Secret: ${receiver.secret})

1. As ERPNext's SMS Settings send it:

curl -X POST ${api}.erpnext_notification_gateway \\
  -H "Authorization: token ${token}" \\
  -d "message=Invoice INV-0001 is due" -d "to_number=0757 123 456" -d "instance_id=${instanceId}"

2. A text by the API:

curl -X POST ${api}.send_api_message \\
  -H "Authorization: token ${token}" -H "Content-Type: application/json" \\
  -d '{"from_number":"+${ownPhone}","to_number":"+${otherPhone}","message":"Hello from WapBridge"}'

3. A picture by the API:

curl -X POST ${api}.send_api_message \\
  -H "Authorization: token ${token}" -H "Content-Type: application/json" \\
  -d '{"from_number":"+${ownPhone}","to_number":"+${otherPhone}","caption":"A red dot","mime_type":"image/png","filename":"dot.png","media_data":"${redDot}"}'

Write back in the simulator: the message comes here as a webhook. Ctrl-C ends the demo.
`;
}

const redDot =
  'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mO4oKBAEmIY1TCqYfhqAABLfxAQegypMgAAAABJRU5ErkJggg==';

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`The demo could not start: ${reasonOf(error)}\n`);
  process.exit(1);
}
