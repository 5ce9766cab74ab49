import { expect, it } from 'vitest';
import { openSqlite } from '../support/database.ts';
import { type FaultName, faults, runFaults } from '../support/fault-run.ts';

const times = Number(process.env.FAULTS ?? 5);
/** Longest time to find each, ms: what is dead must be known within 75 s. */
const foundWithinMs = 75_000;

it(`finds each fault ${times} times with the usual patience, and prints the table`, async () => {
  const opened = await openSqlite();
  const names = Object.keys(faults) as FaultName[];
  const { reports, bystanderRestarts, survivors } = await runFaults({ databaseUrl: opened.url, names, times });
  await opened.drop();
  const rows = reports.map(({ fault, foundAfterMs, readyAfterMs, accepted, lost, doubled }) => {
    const [found, ready] = [foundAfterMs, readyAfterMs].map((all) => all.toSorted((a, b) => a - b).map(Math.round));
    return [
      fault,
      times,
      `${found![times >> 1]} (most ${found!.at(-1)})`,
      `${ready![times >> 1]} (most ${ready!.at(-1)})`,
      accepted,
      lost.length,
      doubled.length,
    ];
  });
  const heads = ['fault', 'times', 'found after ms', 'ready after ms', 'accepted', 'lost', 'doubled'];
  process.stdout.write(
    `${[heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')}\n` +
      `restarts of the healthy neighbour: ${bystanderRestarts}; processes left: ${survivors.length}\n`,
  );
  for (const report of reports) {
    expect(report).toMatchObject({ lost: [], doubled: [] });
    expect(Math.max(...report.foundAfterMs)).toBeLessThan(foundWithinMs);
  }
  expect({ bystanderRestarts, survivors }).toEqual({ bystanderRestarts: 0, survivors: [] });
});
