import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { createDatabase } from '../../src/store/database.ts';
import { until } from './clock.ts';
import { freePort } from './process.ts';

/** A MariaDB server of one test, which may be killed. */
interface PrivateMariadb {
  /** An empty database on it. */
  url: string;
  kill(): Promise<void>;
  /** Stops it where it is, as a machine that hangs does, or lets it go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Starts it again on the same data and resolves when it answers. */
  start(): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

const searched = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
const programOf = (name: string) => searched.map((dir) => join(dir, name)).find((path) => existsSync(path));
const [server, installer] = ['mariadbd', 'mariadb-install-db'].map(programOf);

/** True where a MariaDB server is installed. */
export const hasMariadb = server !== undefined && installer !== undefined;

/** Starts a server on a free port of 127.0.0.1, with data of its own that survives being killed. */
export async function startMariadb(): Promise<PrivateMariadb> {
  if (server === undefined || installer === undefined) throw new Error('mariadbd is not installed');
  const dir = await mkdtemp(join(tmpdir(), 'wapbridge-mariadb-'));
  const port = await freePort();
  const common = ['--no-defaults', `--user=${userInfo().username}`, `--datadir=${join(dir, 'data')}`];
  await promisify(execFile)(installer, [...common, '--auth-root-authentication-method=normal', '--skip-test-db']);
  const rootUrl = `mysql://root@127.0.0.1:${port}`;
  let running: { child: ChildProcess; ended: Promise<unknown> } | null = null;

  async function start(): Promise<void> {
    const options = ['--bind-address=127.0.0.1', `--port=${port}`, `--socket=${join(dir, 'socket')}`];
    const child = spawn(server!, [...common, ...options, '--innodb-buffer-pool-size=32M'], { stdio: 'ignore' });
    running = { child, ended: new Promise((resolve) => child.once('exit', resolve)) };
    await until('MariaDB answers', () => answers(rootUrl), 60_000);
  }

  async function kill(): Promise<void> {
    running?.child.kill('SIGKILL');
    await running?.ended;
    running = null;
  }

  await start();
  const root = createDatabase(rootUrl);
  await root.knex.raw('CREATE DATABASE wapbridge CHARACTER SET utf8mb4');
  await root.close();
  return {
    url: `${rootUrl}/wapbridge`,
    kill,
    signal: (name) => void running?.child.kill(name),
    start,
    async remove() {
      await kill();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const database = createDatabase(url);
  return database.knex
    .raw('SELECT 1')
    .then(
      () => true,
      () => false,
    )
    .finally(() => database.close());
}
