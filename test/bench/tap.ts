import type { Page } from 'puppeteer';
import type { ReceivedMessage } from '../../src/whatsapp/client.ts';
import { until } from '../support/clock.ts';
import { type ClientBed, createClientBed, own } from '../whatsapp/linked-client.ts';
import { middle, printTable, quantile, type Timing } from './measure.ts';

const rounds = 7;
const sends = 300;
const burst = 1_000;
const friend = '255757123456';

/** What looking on at stanzas costs: the client with the tap and without it, in alternating rounds in front of the same kind of page. */
export async function benchTap(): Promise<void> {
  const pages = new Map<string, Page>();
  const open = (name: string, before: string) =>
    createClientBed({
      async prepare(browser) {
        const [page] = await browser.pages();
        pages.set(name, page!);
        await page!.evaluateOnNewDocument(before);
      },
    });
  const beds: Record<string, ClientBed> = {
    'with the tap': await open('with the tap', ''),
    // There the tap takes itself for started.
    'without it': await open('without it', 'window.wapbridgeTap = true;'),
  };
  const works: Record<string, (bed: ClientBed) => Promise<Timing>> = {
    'sends per second': send,
    'inbound per second': receive,
  };
  const results = new Map<string, Map<string, Timing[]>>();
  const perStanza = new Map<string, number[]>();
  try {
    for (let round = 0; round <= rounds; round += 1)
      for (const [work, run] of Object.entries(works))
        for (const [name, bed] of Object.entries(beds)) {
          const timing = await run(bed);
          if (round === 0) continue;
          const byWork = results.get(name) ?? new Map<string, Timing[]>();
          byWork.set(work, [...(byWork.get(work) ?? []), timing]);
          results.set(name, byWork);
        }
    for (let round = 0; round < rounds; round += 1)
      for (const [name, page] of pages) perStanza.set(name, [...(perStanza.get(name) ?? []), await decode(page)]);
    printTable(
      `The stanza tap (${rounds} × ${sends} sends, ${rounds} × ${burst} messages in)`,
      ['', ...Object.keys(works), 'µs per stanza decoded'],
      [...results].map(([name, byWork]) => [
        name,
        ...Object.keys(works).map((work) => middle(byWork.get(work)!).perSecond),
        quantile(perStanza.get(name)!, 0.5),
      ]),
    );
  } finally {
    for (const bed of Object.values(beds)) await bed.close();
  }
}

/** The time of one stanza that says nothing to the tap, µs: what the rounds above cannot tell from the noise of a machine. */
async function decode(page: Page): Promise<number> {
  return page.evaluate(async () => {
    // oxlint-disable-next-line typescript/no-explicit-any -- runs in the page, whose objects have no types
    const { decodeStanza } = (window as any).require('WAWap');
    const bytes = new TextEncoder().encode('{"tag":"message","attrs":{"id":"1"}}');
    const startedAt = performance.now();
    for (let index = 0; index < 20_000; index += 1) await decodeStanza(bytes, null);
    return ((performance.now() - startedAt) / 20_000) * 1000;
  });
}

let lastId = 0;

async function send(bed: ClientBed): Promise<Timing> {
  bed.events.length = 0;
  const messages = Array.from({ length: sends }, (_, index) => {
    lastId += 1;
    return {
      waId: `3EB0${String(lastId).padStart(18, '0')}`,
      chat: `${friend}@c.us` as ReceivedMessage['chat'],
      content: { type: 'text' as const, text: `text ${index}` },
      retry: false,
    };
  });
  const startedAt = performance.now();
  await bed.client.send(messages);
  const reads = () =>
    bed.events.reduce(
      (sum, event) => sum + (event.type === 'acks' ? event.acks.filter(({ ack }) => ack === 3).length : 0),
      0,
    );
  await until('all are read', () => reads() >= sends, 60_000);
  return since(startedAt, sends);
}

async function receive(bed: ClientBed): Promise<Timing> {
  bed.events.length = 0;
  const startedAt = performance.now();
  for (let index = 0; index < burst; index += 1)
    bed.sandbox.network.receive({ to: own, from: `2557571${String(index % 20).padStart(5, '0')}`, text: `${index}` });
  const count = () =>
    bed.events.reduce((sum, event) => sum + (event.type === 'received' ? event.messages.length : 0), 0);
  await until('all are told', () => count() >= burst, 60_000);
  return since(startedAt, burst);
}

function since(startedAt: number, count: number): Timing {
  const elapsedMs = performance.now() - startedAt;
  return { perSecond: (count / elapsedMs) * 1000, p50: elapsedMs / count, p95: elapsedMs / count };
}
