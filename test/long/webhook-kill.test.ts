import { expect, it } from 'vitest';
import { forEachDatabase } from '../support/database.ts';
import { runWebhookKills } from '../support/webhook-kill-run.ts';

const kills = Number(process.env.KILLS ?? 100);

forEachDatabase((open, engine) => {
  it(`loses no webhook of a backlog over ${kills} kills, and keeps each chat in order`, async () => {
    const opened = await open();
    const report = await runWebhookKills(kills, opened).finally(() => opened.drop());
    process.stdout.write(`${engine} ${JSON.stringify(report)}\n`);
    expect(report).toMatchObject({ lost: 0, doubled: 0, disordered: 0 });
  });
});
