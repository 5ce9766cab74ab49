import Joi from 'joi';
import { pino } from 'pino';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { Pool } from 'undici';
import { createHttpApp } from '../../src/http/app.ts';
import type { Dialect } from '../../src/http/dialect.ts';
import { createLimiter, ietfLimitHeaders, ipKey } from '../../src/http/limit.ts';
import { route } from '../../src/http/route.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { accountCaller } from '../../src/model/token.ts';
import { middle, printTable, timed, type Timing } from './measure.ts';

const takes = 200_000;
const requests = 20_000;
const rounds = 5;
const log = pino({ level: 'silent' });

/** What the rate limits cost: one count by itself, and a request with its two counts beside one that counts nothing. */
export async function benchLimits(): Promise<void> {
  const counts = [];
  for (const keys of [1, 10_000]) counts.push([`${keys} keys`, await takeNs(keys)]);
  printTable('One count of the rate limiter', ['', 'ns'], [...counts, ['the key of an IPv6 address', ipKeyNs()]]);
  const { with: counted, without } = await requestCosts();
  printTable(
    'A call over loopback that does nothing (two counts: address and token)',
    ['', 'per second', 'µs'],
    [
      ['with limits', counted.perSecond, 1e6 / counted.perSecond],
      ['without', without.perSecond, 1e6 / without.perSecond],
      ['difference', '', 1e6 / counted.perSecond - 1e6 / without.perSecond],
    ],
  );
}

async function takeNs(keys: number): Promise<number> {
  const limiter = createLimiter({ policy: 'default', perMinute: 1e9, log });
  for (let index = 0; index < keys; index += 1) await limiter.take(`key ${index}`);
  const startedAt = performance.now();
  for (let index = 0; index < takes; index += 1) await limiter.take(`key ${index % keys}`);
  return ((performance.now() - startedAt) * 1e6) / takes;
}

function ipKeyNs(): number {
  const startedAt = performance.now();
  for (let index = 0; index < takes; index += 1) ipKey('2001:db8:1:2:3:4:5:6');
  return ((performance.now() - startedAt) * 1e6) / takes;
}

/** Rounds with and without take turns, so that drift hits both. */
async function requestCosts(): Promise<{ with: Timing; without: Timing }> {
  const app = createHttpApp({
    dialects: [dialect],
    media: { open: () => Promise.reject(new Error('no media here')) },
    health: {},
    log,
    version: '0',
    publicUrl: () => 'http://gateway.test',
    bodyMaxBytes: 1024 * 1024,
    corsOrigins: [],
    trustProxy: [],
  } as never);
  const http = createHttpServer(app.callback());
  const port = await http.listen({ host: '127.0.0.1', port: 0 });
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 16 });
  const call = async () => {
    const { body, statusCode } = await pool.request({ method: 'GET', path: '/nothing' });
    await body.dump();
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
  };
  await timed(requests / 4, 16, call);
  const found: { with: Timing[]; without: Timing[] } = { with: [], without: [] };
  for (let round = 0; round < rounds; round += 1) {
    found.with.push(await timed(requests, 16, call));
    const restore = countNothing();
    found.without.push(await timed(requests, 16, call));
    restore();
  }
  await pool.close();
  await http.close(0);
  return { with: middle(found.with), without: middle(found.without) };
}

function countNothing(): () => void {
  // oxlint-disable-next-line typescript/unbound-method -- put back as it was
  const { consume } = RateLimiterMemory.prototype;
  const nothing = Promise.resolve(new RateLimiterRes(1, 1000, 1, false));
  RateLimiterMemory.prototype.consume = () => nothing;
  return () => void (RateLimiterMemory.prototype.consume = consume);
}

const caller = accountCaller('CUST-0001');
const dialect: Dialect = {
  name: 'nothing',
  title: 'Nothing',
  description: '',
  routes: [
    route({
      method: 'GET',
      path: '/nothing',
      summary: '',
      scope: 'send',
      body: Joi.object<object, true>({}),
      answer: null,
      handle: () => ({ ok: true }),
    }),
  ],
  owns: () => false,
  authenticate: () => Promise.resolve(caller),
  success: (body) => ({ status: 200, body }),
  failure: (error) => ({ status: error.status, body: { message: error.message } }),
  envelope: { success: () => ({}), failure: {} },
  limits: { ip: 1e9, token: { default: 1e9 } },
  limitHeaders: ietfLimitHeaders,
  webhooks: { render: {}, headers: () => ({}) },
  securitySchemes: {},
};
