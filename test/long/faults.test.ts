import { afterAll, expect, it } from 'vitest';
import { forEachDatabase } from '../support/database.ts';
import { faultless, type FaultReport, runFaults } from '../support/fault-run.ts';
import { possibleFaults } from '../support/faults.ts';

/** `FAULTS=10 npm run test:long -- faults`; `-t 'network silent'` does one of them. */
const times = Number(process.env.FAULTS ?? 5);
/** Longest time to find each, ms: what is dead must be known within 75 s. */
const foundWithinMs = 75_000;

forEachDatabase((open, engine) => {
  const reports: FaultReport[] = [];

  it.each(possibleFaults)(
    `finds "%s" ${times} times, loses and doubles nothing, and leaves others alone`,
    async (name) => {
      const opened = await open();
      const run = await runFaults({ databaseUrl: opened.url, names: [name], times }).finally(() => opened.drop());
      const report = run.reports[0]!;
      reports.push(report);
      const { bystanderRestarts, survivors } = run;
      expect({ ...report, bystanderRestarts, survivors }).toMatchObject({
        ...faultless,
        ...(canBeUncertain.has(name) && { uncertain: expect.anything() }),
        bystanderRestarts: 0,
        survivors: [],
      });
      expect(Math.max(...report.foundAfterMs)).toBeLessThan(foundWithinMs);
    },
  );

  afterAll(() => {
    const rows = reports.map((report) => [
      report.fault,
      report.times,
      seconds(report.foundAfterMs),
      seconds(report.readyAfterMs),
      report.accepted,
      report.lost.length,
      report.doubled.length,
      report.uncertain.length,
      report.written,
      report.untold.length,
      report.toldTwice.length,
      report.disordered.length,
    ]);
    const table = [heads, heads.map(() => '---'), ...rows];
    process.stdout.write(`${engine}\n${table.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`);
  });
});

const heads = 'fault,times,found after s,ready after s,out,lost,doubled,uncertain,in,lost,doubled,out of order'.split(
  ',',
);

/**
 * What was on its way when a profile was lost with its browser, nobody can tell: the gateway says so, and never sends it again. A disk
 * that was full may have damaged the profile, too, and that shows at a later start.
 */
const canBeUncertain = new Set<string>(['browser killed, profile damaged', 'disk full, browser killed']);

/** The middle one, and the most. */
function seconds(allMs: number[]): string {
  const [middle, most] = [allMs.length >> 1, -1].map((at) =>
    (allMs.toSorted((a, b) => a - b).at(at)! / 1000).toFixed(1),
  );
  return `${middle} (${most})`;
}
