import { expect, it } from 'vitest';
import { createSettableClock } from '../../support/clock.ts';
import { forEachDatabaseAndRepeated } from '../../support/database.ts';
import { chatOf, textOf, useWebhookBed } from '../../support/webhook-bed.ts';

const hourMs = 3_600_000;

forEachDatabaseAndRepeated((open) => {
  const bed = useWebhookBed(open);
  const { connected } = bed;

  it('keeps the order of each chat and never has two requests of one chat under way', async () => {
    const { target, receive, settled } = await connected();
    const open = new Set<string>();
    let most = 0;
    target.answer((request, response) => {
      const chat = chatOf(request);
      if (open.has(chat)) response.statusCode = 599;
      open.add(chat);
      most = Math.max(most, open.size);
      setTimeout(() => {
        open.delete(chat);
        response.end();
      }, Math.random() * 4);
    });
    const messages = Array.from({ length: 400 }, (_, index) => ({
      chat: index % 11 === 0 ? 1 : 1 + (index % 9),
      text: String(index),
    }));
    for (let at = 0; at < messages.length; at += 50) await receive(messages.slice(at, at + 50));
    await settled();
    expect(target.requests).toHaveLength(400);
    for (const chat of new Set(target.requests.map(chatOf))) {
      const seen = target.requests
        .filter((request) => chatOf(request) === chat)
        .map((request) => Number(textOf(request)));
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    }
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(8);
    expect((await bed.attempts()).every(({ status }) => status === 200)).toBe(true);
  });

  it('lets other chats pass a chat with a long backlog', async () => {
    const { target, receive, settled } = await connected();
    let answerFirst = () => undefined as unknown;
    target.answer((_, response) =>
      target.requests.length === 1 ? (answerFirst = () => response.end()) : response.end(),
    );
    await receive(Array.from({ length: 300 }, () => ({ chat: 1, text: 'busy' })));
    await receive([{ chat: 2, text: 'other' }]);
    const [, second] = await target.received(2);
    expect(textOf(second!)).toBe('other');
    answerFirst();
    await settled();
    expect(target.requests).toHaveLength(301);
  });

  it('retries until it arrives, holding the chat behind, with the same id', async () => {
    const { target, receive, settled } = await connected();
    let refusals = 2;
    target.answer((request, response) => {
      response.statusCode = chatOf(request).includes('0001@') && refusals-- > 0 ? 500 : 200;
      response.end();
    });
    await receive([{ chat: 1, text: 'a1' }, { chat: 1, text: 'a2' }, { chat: 2, text: 'b1' }, { chat: 1, text: 'a3' }]); // prettier-ignore
    await settled();
    const ofFirst = target.requests.filter((request) => chatOf(request).includes('0001@'));
    expect(ofFirst.map(textOf)).toEqual(['a1', 'a1', 'a1', 'a2', 'a3']);
    expect(new Set(ofFirst.slice(0, 3).map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(target.requests.findIndex((request) => textOf(request) === 'b1')).toBeLessThan(3);
    const attempts = (await bed.attempts()).toReversed();
    expect(attempts.filter(({ status }) => status === 500).map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(attempts.at(-1)).toMatchObject({ status: 200 });
  });

  it('lets a chat pass a delivery that failed three times, and gives up after the last try', async () => {
    const clock = createSettableClock();
    const { target, receive, settled, states } = await connected({
      clock,
      policy: { retryDelaysMs: [20, 20, hourMs, 20], breakerFailures: 100, throttledDelayMs: 20, scanMs: 50 },
    });
    target.answer((request, response) => response.writeHead(textOf(request) === 'poison' ? 422 : 200).end());
    await receive([{ text: 'poison' }, { text: 'after' }]);
    await expect.poll(states).toEqual({ delivered: 1, retry: 1 });
    expect(target.requests.map(textOf)).toEqual(['poison', 'poison', 'poison', 'after']);
    clock.jump(2 * hourMs);
    await settled();
    expect(target.requests.map(textOf)).toEqual(['poison', 'poison', 'poison', 'after', 'poison', 'poison']);
    expect(await states()).toEqual({ delivered: 1, failed: 1 });
  });
});
