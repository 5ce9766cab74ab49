import { expect, it } from 'vitest';
import { forEachDatabase } from '../support/database.ts';
import { faultless, runKills } from '../support/kill-run.ts';

const kills = Number(process.env.KILLS ?? 50);

forEachDatabase((open, engine) => {
  it(`loses nothing, doubles nothing, leaves no browser and needs no scan over ${kills} kills`, async () => {
    const opened = await open();
    const report = await runKills({ kills, databaseUrl: opened.url });
    await opened.drop();
    const { readyAfterMs, ...counts } = report;
    process.stdout.write(
      `${engine} ${JSON.stringify({ ...counts, readyAfterMs: { median: readyAfterMs[kills >> 1], most: readyAfterMs.at(-1) } })}\n`,
    );
    expect(report).toMatchObject(faultless);
  });
});
