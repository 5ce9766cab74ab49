import { dayCap } from '../../src/core/campaign/pacing.ts';
import { createTimeZone } from '../../src/core/campaign/local-time.ts';
import { zoneOfPhone } from '../../src/core/campaign/zones.ts';
import { defaultPacing, defaultQuietHours } from '../../src/model/campaign.ts';
import type { Instance } from '../../src/model/instance.ts';
import type { Message } from '../../src/model/message.ts';
import type { Clock } from '../../src/model/time.ts';
import type { Database } from '../../src/store/database.ts';
import { createCampaignBed } from './campaigns.ts';
import { buildInstance, buildMessage } from './factories.ts';

/** What a run on a simulated clock did, and every rule that it broke. */
interface ClockReport {
  sends: number;
  /** Days of the simulated clock. */
  days: number;
  optedOut: number;
  longestGapWithinDayMs: number;
  medianGapMs: number;
  broken: string[];
}

interface Send {
  at: number;
  phone: string;
}

const dayMs = 86_400_000;
/** Tanzania, Kenya, Nigeria, India, United Kingdom, Brazil, New York. */
const ranges = ['2557571', '2547121', '2348031', '919811', '447911', '5511981', '1212555'];

/**
 * Sends a campaign with the default pacing, caps and quiet hours on a clock that jumps from one send to the next, with people who
 * opt out meanwhile, and checks each send against the rules.
 */
export async function runSimulatedClock(input: {
  database: Database;
  sends: number;
  seed?: number;
}): Promise<ClockReport> {
  // Nothing here has to survive a power cut.
  const database: Database = { ...input.database, flushed: async () => undefined };
  const random = seeded(input.seed ?? 7);
  let now = Date.UTC(2026, 10, 23, 6);
  const clock: Clock = { now: () => now, sleep: async () => undefined };
  const instance = await buildInstance(database);
  const sent: Message[] = [];
  const bed = createCampaignBed({ database, instance, clock, random });
  // The pump must not run by itself: this loop is the clock.
  bed.outbox.added = (rows) => void sent.push(...rows.filter((message) => message.campaign));
  bed.outbox.admit = () => 'sending';
  bed.outbox.released = () => undefined;
  await bed.dispatcher.ready(instance.id);
  await bed.dispatcher.step(instance.id);
  bed.dispatcher.nudge = () => undefined;
  const recipients = Math.ceil(input.sends * 1.5);
  const numbers = Array.from({ length: recipients }, (_, index) => {
    const range = ranges[index % ranges.length]!;
    return range + String(index).padStart(12 - range.length - (range.startsWith('1') ? 1 : 0), '0');
  });
  const { id } = await bed.campaign(numbers, { pacing: {}, quietHours: defaultQuietHours });

  const sends: Send[] = [];
  const optedOut = new Set<string>();
  const startedAt = now;
  for (let steps = 0; sends.length < input.sends && steps < input.sends * 4; steps += 1) {
    const until = await bed.dispatcher.step(instance.id);
    for (const message of sent.splice(0)) {
      sends.push({ at: now, phone: message.chat.split('@')[0]! });
      await database.transaction(async (trx) => {
        const { waId, waKey } = message;
        const acks = [{ waId, waKey, ack: 1 as const, state: 'sent' as const }];
        await bed.results.changed(trx, await bed.messages.applyAcks(trx, { instanceId: instance.id, acks, now }));
      });
    }
    if (until === null) break;
    if (random() < 0.02) await optOut(numbers[Math.floor(random() * numbers.length)]!);
    now = Math.max(until, now);
  }

  async function optOut(phone: string): Promise<void> {
    optedOut.add(`${phone} ${now}`);
    const chat = `${phone}@c.us` as Message['chat'];
    const content = { type: 'text' as const, text: 'STOP' };
    const message = buildMessage(instance, { direction: 'in', chat, senderPhone: phone, content });
    await database.transaction((trx) => bed.optOuts.heard(trx, instance, [message]));
  }

  const { counters, rows } = await bed.counts(id);
  const broken = [
    ...checkSends(sends, optedOut, instance, startedAt),
    ...(JSON.stringify(counters) === JSON.stringify(rows)
      ? []
      : [`counters ${JSON.stringify(counters)} are not rows ${JSON.stringify(rows)}`]),
  ];
  const gaps = sends.slice(1).map((send, index) => send.at - sends[index]!.at);
  await bed.close();
  return {
    sends: sends.length,
    days: (now - startedAt) / dayMs,
    optedOut: optedOut.size,
    longestGapWithinDayMs: Math.max(...gaps.filter((gap) => gap < 3_600_000)),
    medianGapMs: gaps.toSorted((a, b) => a - b)[gaps.length >> 1]!,
    broken,
  };
}

function checkSends(sends: Send[], optedOut: Set<string>, instance: Instance, pairedAt: number): string[] {
  const broken: string[] = [];
  const home = createTimeZone('Africa/Dar_es_Salaam');
  const perDay = new Map<string, number>();
  const outAt = new Map([...optedOut].map((entry) => entry.split(' ') as [string, string]));
  const seen = new Set<string>();
  const zones = new Map<string, ReturnType<typeof createTimeZone>>();
  for (const [index, { at, phone }] of sends.entries()) {
    const gap = index > 0 ? at - sends[index - 1]!.at : defaultPacing.minMs;
    if (gap < defaultPacing.minMs) broken.push(`${phone}: a gap of ${gap} ms`);
    if (seen.has(phone)) broken.push(`${phone}: sent twice`);
    seen.add(phone);
    if (outAt.has(phone) && Number(outAt.get(phone)) < at) broken.push(`${phone}: had opted out`);
    for (const name of zoneOfPhone(phone)!.split('+')) {
      const zone = zones.get(name) ?? createTimeZone(name);
      zones.set(name, zone);
      const { minute } = zone.local(at);
      if (minute < 9 * 60 || minute >= 20 * 60) broken.push(`${phone}: at ${minute} minutes of the day in ${name}`);
    }
    const { year, month, day } = home.local(at);
    const key = `${year}-${month}-${day}`;
    const count = (perDay.get(key) ?? 0) + 1;
    perDay.set(key, count);
    const most = Math.min(dayCap(defaultPacing, (at - pairedAt) / dayMs), defaultPacing.newChatCap);
    if (count > most) broken.push(`${key}: ${count} sends, ${most} allowed (${instance.id})`);
  }
  return broken;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 4_294_967_296;
  };
}
