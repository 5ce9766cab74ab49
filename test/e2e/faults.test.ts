import { join } from 'node:path';
import { expect, it } from 'vitest';
import { browsersIn, renderersOf } from '../support/browsers.ts';
import { openSqlite } from '../support/database.ts';
import { faultless, runFaults } from '../support/fault-run.ts';
import type { FaultName } from '../support/faults.ts';
import { startGateway } from '../support/gateway.ts';

/** Those that are found and pass in a few seconds; `test/long` does all of them, with the usual patience. */
const names: FaultName[] = [
  'renderer killed',
  'renderer frozen',
  'browser killed',
  'browser frozen',
  'page closed',
  'network cut',
];
/** A tenth and less of the usual patience; a machine with much else to do needs some of it for healthy pages, too. */
const supervision = { beatMs: 100, probeEveryMs: 300, silenceMs: 5_000, firstPauseMs: 200, stopDeadMs: 300 };

it('finds what happens to a browser, brings it back without a scan, loses nothing, and leaves the others alone', async () => {
  const opened = await openSqlite();
  const { reports, bystanderRestarts, survivors } = await runFaults({
    databaseUrl: opened.url,
    names,
    times: 1,
    supervision,
  });
  await opened.drop();
  for (const report of reports) {
    expect(report).toMatchObject(faultless);
    expect(Math.min(report.accepted, report.written)).toBeGreaterThan(0);
    expect(Math.max(...report.foundAfterMs)).toBeLessThan(10_000);
  }
  expect(reports.map(({ fault }) => fault)).toEqual(names);
  expect({ bystanderRestarts, survivors }).toEqual({ bystanderRestarts: 0, survivors: [] });
  // Each fault has a bound of its own; together they take minutes on a machine that has much else to do.
}, 400_000);

it('leaves a page alone that is slow, but answers', async () => {
  const opened = await openSqlite();
  const gateway = await startGateway(
    opened.url,
    {},
    { supervision: { beatMs: 100, probeEveryMs: 300, silenceMs: 6_000 } },
  );
  const id = await gateway.link('255757000001');
  const profile = join(gateway.dataDir, 'profiles', id);
  const [browser] = browsersIn(profile);
  const renderers = renderersOf(browser!);
  // Together it stands still for longer than the patience, with only moments to answer in between.
  for (let time = 0; time < 5; time += 1) {
    for (const pid of renderers) process.kill(pid, 'SIGSTOP');
    await pause(2_000);
    for (const pid of renderers) process.kill(pid, 'SIGCONT');
    await pause(600);
  }
  expect(browsersIn(profile)).toEqual([browser]);
  const { json } = await gateway.call('wap_bridge.api.instances.instance_status', { instance_id: id });
  expect(json).toMatchObject({ status: 'ready', attempts: 0 });
  await gateway.stop();
  await opened.drop();
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
