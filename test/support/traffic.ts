import { until } from './clock.ts';
import type { TestGateway } from './gateway.ts';
import type { Receiver } from './receiver.ts';

/** What became of the messages that went both ways through an instance. */
export interface Tally {
  /** Sends that were answered with 200 and `"ok": true`. */
  accepted: number;
  /** Accepted, but never arrived at the other phone, each with what the gateway says of it. */
  lost: string[];
  /** Of them the gateway says itself that nobody can tell. */
  uncertain: string[];
  /** Arrived under more than one message id. */
  doubled: string[];
  /** What the other phones wrote. */
  written: number;
  /** Written, but no webhook ever told. */
  untold: string[];
  /** Told as two different events. */
  toldTwice: string[];
  /** Told after one that was written later in the same chat. */
  disordered: string[];
}

const friend = '255757123456';
const writers = ['255757200001', '255757200002'];
const sendEveryMs = 100;
const writeEveryMs = 200;
const lookEveryMs = 250;
/** What has gathered in a minute of silence takes its time, too. */
const settleMs = 180_000;

/** Messages that go both ways. */
export interface Traffic {
  /** Resolves when there was something, and everything so far has arrived, but for what the gateway says it cannot tell of. */
  caughtUp(): Promise<void>;
  /** Ends it, and waits until everything has arrived; then tells what became of it. */
  settle(): Promise<Tally>;
  /** Ends it. */
  stop(): Promise<void>;
}

/** Lets messages go both ways through a linked instance. */
export function beginTraffic(
  { gateway, receiver }: { gateway: TestGateway; receiver: Receiver },
  { instanceId, phone, name }: { instanceId: string; phone: string; name: string },
): Traffic {
  const { network } = gateway.app.sandbox!;
  /** Text → its id. */
  const accepted = new Map<string, string>();
  /** Texts in the order they were written, of each writer. */
  const written = new Map<string, string[]>(writers.map((writer) => [writer, []]));
  const load = { isOver: false };

  async function send(): Promise<void> {
    for (let serial = 0; !load.isOver; serial += 1) {
      const message = `${name}, out ${serial}`;
      const method = 'wap_bridge.api.whatsapp.erpnext_notification_gateway';
      const answer = await gateway
        .call(method, { instance_id: instanceId, to_number: friend, message })
        .catch(() => null);
      if (answer?.status === 200 && answer.json.ok) accepted.set(message, answer.json.service.id);
      await pause(sendEveryMs);
    }
  }

  async function write(): Promise<void> {
    for (let serial = 0; !load.isOver; serial += 1) {
      const from = writers[serial % writers.length]!;
      const text = `${name}, in ${serial}`;
      network.receive({ to: phone, from, text });
      written.get(from)!.push(text);
      await pause(writeEveryMs);
    }
  }

  const loops = [send(), write()];

  /** Text → ids under which it arrived. */
  function arrived(): Map<string, Set<string>> {
    const ids = new Map<string, Set<string>>();
    for (const { text, id } of network.messages({ phone: friend })) if (text !== undefined) add(ids, text, id);
    return ids;
  }

  /** Text → ids of the events that told of it, in the order of the first. */
  function told(): Map<string, Set<string>> {
    const ids = new Map<string, Set<string>>();
    for (const { body, headers } of receiver.requests)
      add(ids, (JSON.parse(body) as { message: { body: string } }).message.body, String(headers['webhook-id']));
    return ids;
  }

  const missing = () => absent([...accepted.keys()], arrived());
  const untold = () => absent([...written.values()].flat(), told());

  /** What the gateway says of a message that was accepted. */
  async function fateOf(message: string): Promise<{ text: string; status: string }> {
    const { json } = await gateway.call('wap_bridge.api.whatsapp.message_status', { id: accepted.get(message) });
    return { text: `${message}: ${json.status} ${json.reason ?? ''}`.trim(), status: json.status };
  }

  async function stop(): Promise<void> {
    load.isOver = true;
    await Promise.all(loops);
  }

  const wrote = () => [...written.values()].flat().length;

  return {
    async caughtUp() {
      await until('messages go both ways', () => accepted.size > 0 && wrote() > 0);
      const [outs, ins] = [[...accepted.keys()], [...written.values()].flat()];
      const isThrough = async () => {
        if (absent(ins, told()).length > 0) return false;
        for (const text of absent(outs, arrived())) if ((await fateOf(text)).status !== 'uncertain') return false;
        return true;
      };
      await until('what was written has arrived, or is given up', isThrough, settleMs, lookEveryMs).catch(
        async (error: unknown) => {
          const fates = await Promise.all(absent(outs, arrived()).slice(0, 10).map(fateOf));
          const missed = [...fates.map(({ text }) => text), ...absent(ins, told()).slice(0, 10)];
          throw new Error(`missing: ${missed.join('; ')}`, { cause: error });
        },
      );
    },
    stop,
    async settle() {
      await stop();
      const isThrough = () => missing().length + untold().length === 0;
      await until('everything has arrived', isThrough, settleMs, lookEveryMs).catch(() => undefined);
      const statuses: { text: string; status: string }[] = [];
      for (const text of missing()) statuses.push(await fateOf(text));
      const [lost, uncertain] = [false, true].map((isUncertain) =>
        statuses.filter(({ status }) => (status === 'uncertain') === isUncertain).map(({ text }) => text),
      );
      return {
        accepted: accepted.size,
        lost: lost!,
        uncertain: uncertain!,
        doubled: more(arrived(), `${name}, out`),
        written: wrote(),
        untold: untold(),
        toldTwice: more(told(), `${name}, in`),
        disordered: [...written.values()].flatMap((texts) => late(texts, [...told().keys()])),
      };
    },
  };
}

function absent(texts: string[], among: Map<string, unknown>): string[] {
  return texts.filter((text) => !among.has(text));
}

function more(ids: Map<string, Set<string>>, prefix: string): string[] {
  return [...ids].filter(([text, each]) => text.startsWith(prefix) && each.size > 1).map(([text]) => text);
}

/** Returns what came after something that was written later. */
function late(inOrder: string[], came: string[]): string[] {
  const places = new Map(inOrder.map((text, place) => [text, place]));
  let latest = -1;
  return came.filter((text) => {
    const place = places.get(text);
    if (place === undefined) return false;
    const isLate = place < latest;
    latest = Math.max(latest, place);
    return isLate;
  });
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  map.set(key, (map.get(key) ?? new Set()).add(value));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
