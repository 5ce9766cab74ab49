import { expect, it } from 'vitest';
import { forEachDatabase } from '../support/database.ts';
import { faultless, runKills } from '../support/kill-run.ts';

forEachDatabase((open) => {
  it('loses no accepted message and sends none twice when it is killed under load', async () => {
    const opened = await open();
    const report = await runKills({ kills: 4, databaseUrl: opened.url });
    await opened.drop();
    expect(report).toMatchObject(faultless);
    expect(report.accepted).toBeGreaterThan(20);
    expect(report.scheduled).toBeGreaterThan(5);
    expect(report.cancelled).toBeGreaterThan(0);
    expect(report.received).toBeGreaterThan(5);
  });
});
