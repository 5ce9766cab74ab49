import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openWithdrawalJournal, type WithdrawnMessage } from '../../src/core/withdrawal-journal.ts';
import { until } from '../support/clock.ts';

let dataDir: string;
let path: string;
let lines: string[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-journal-'));
  path = join(dataDir, 'withdrawals.jsonl');
  lines = [];
});
afterEach(() => rm(dataDir, { recursive: true }));

const log = pino({}, { write: (line: string) => lines.push(line) });
const open = () => openWithdrawalJournal({ dataDir, log });
const refused = (id: string): WithdrawnMessage => ({
  kind: 'message',
  id,
  due: [{ id, dueAt: 1 }],
  recorded: { accountId: 'CUST-0001', key: 'order-4711', answer: id },
  connection: { id: 12, host: '127.0.0.1:40000' },
});
const exists = () =>
  readFile(path).then(
    () => true,
    () => false,
  );

it('tells the next gateway what is left, and makes no file without need', async () => {
  const first = await open();
  expect(first.left).toEqual([]);
  first.settle([]);
  expect(await exists()).toBe(false);
  await Promise.all([first.note(refused('a')), first.note(refused('b'))]);
  first.settle([refused('a')]);
  first.close();

  const second = await open();
  expect(second.left).toEqual([refused('a'), refused('b')]);
  expect(lines.join()).toContain('"count":2,"torn":0');
  second.settle([refused('a')]);
  expect(await exists()).toBe(true);
  second.settle([refused('b')]);
  await until('it is gone', async () => !(await exists()));
});

it('takes a line that was torn for none, and writes the next on one of its own', async () => {
  await (await open()).note(refused('a'));
  await appendFile(path, '\n{"kind":"message","id":"b","du');
  const second = await open();
  expect(second.left).toEqual([refused('a')]);
  expect(lines.join()).toContain('"count":1,"torn":1');
  await second.note(refused('c'));
  expect((await open()).left).toEqual([refused('a'), refused('c')]);
});

it('removes nothing any more once it is closed: the file is the next gateway’s', async () => {
  const first = await open();
  await first.note(refused('a'));
  first.close();
  first.settle([refused('a')]);
  const second = await open();
  await second.note(refused('b'));
  expect((await open()).left).toEqual([refused('a'), refused('b')]);
});

it('leaves no file when the database was back before the disk had it', async () => {
  const journal = await open();
  const noted = journal.note(refused('a'));
  journal.settle([refused('a')]);
  await noted;
  expect(await exists()).toBe(false);
});

it('refuses the start in words when it cannot be read', async () => {
  await mkdir(path);
  await expect(open()).rejects.toThrow(/withdrawals\.jsonl cannot be read, and says what must not be sent: EISDIR/);
  await rm(path, { recursive: true });
  await writeFile(path, '');
  expect((await open()).left).toEqual([]);
});
