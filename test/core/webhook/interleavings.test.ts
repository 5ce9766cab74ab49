import { expect, it } from 'vitest';
import { createMessageStore } from '../../../src/store/messages.ts';
import { createSettableClock, until } from '../../support/clock.ts';
import { forEachDatabase } from '../../support/database.ts';
import { forgetful } from '../../support/lost-answers.ts';
import { useWebhookBed } from '../../support/webhook-bed.ts';

/** What happens between two steps that belong together. */
forEachDatabase((open) => {
  const bed = useWebhookBed(open);

  async function build() {
    const bench = await bed.build();
    return { ...bench, owner: { accountId: bench.accountId, boundTo: null }, target: await bed.receiver() };
  }

  it('makes one default endpoint when it is set twice at once, so that each event is told once', async () => {
    const { webhooks, accountId, owner, target, receive, settled } = await build();
    const set = () => webhooks.set(accountId, { url: target.url, dialect: 'plain' });
    const [first, second] = await Promise.all([set(), set()]);
    expect(second?.id).toBe(first?.id);
    expect(await webhooks.list(owner)).toHaveLength(1);
    await receive([{}]);
    await settled();
    expect(target.requests).toHaveLength(1);
  });

  it('goes on signing with a secret that was replaced while it was being set', async () => {
    const { webhooks, owner, target, receive } = await build();
    const { id } = await webhooks.create(owner, { url: target.url, dialect: 'plain', secret: 'the first' });
    await Promise.all(['the second', 'the third'].map((secret) => webhooks.update(owner, id, { secret })));
    await receive([{}]);
    const [request] = await target.received(1);
    expect(String(request?.headers['webhook-signature']).split(' ')).toHaveLength(3);
  });

  it('sends to the new address what was being loaded when the address was changed', async () => {
    const messages = createMessageStore(bed.db.database);
    let letGo = () => undefined as void;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    let isHeld = false;
    const { webhooks, accountId, receive, settled } = await bed.build({
      messages: {
        async byIds(ids) {
          isHeld = true;
          await gate;
          return messages.byIds(ids);
        },
      },
    });
    const [before, after] = [await bed.receiver(), await bed.receiver()];
    await webhooks.set(accountId, { url: before.url, dialect: 'plain' });
    await receive([{}]);
    await until('it is being loaded', () => isHeld);
    await webhooks.set(accountId, { url: after.url, dialect: 'plain' });
    letGo();
    await settled();
    expect([before, after].map(({ requests }) => requests.length)).toEqual([0, 1]);
  });

  it('writes results once whose commit was made though its answer was lost', async () => {
    const database = forgetful(bed.db.database);
    const { webhooks, accountId, receive, states } = await bed.build({ database });
    const target = await bed.receiver();
    await webhooks.set(accountId, { url: target.url, dialect: 'plain' });
    target.answer((_, response) => {
      database.loseAnswers(1);
      response.end('ok');
    });
    await receive([{}]);
    await target.received(1);
    await expect.poll(states).toEqual({ delivered: 1 });
    target.answer((_, response) => response.end('ok'));
    await receive([{}]);
    await expect.poll(states).toEqual({ delivered: 2 });
    expect(await webhooks.attempts({ accountId, boundTo: null }, { limit: 10 })).toHaveLength(2);
    expect(target.requests).toHaveLength(2);
  });

  it('takes what comes in for the others while an endpoint is removed', async () => {
    const clock = createSettableClock();
    const { webhooks, accountId, receive, settled } = await bed.build({ clock });
    const owner = { accountId, boundTo: null };
    const [left, stays] = [await bed.receiver(), await bed.receiver()];
    const { id } = await webhooks.create(owner, { url: left.url, dialect: 'plain' });
    await webhooks.create(owner, { url: stays.url, dialect: 'plain' });
    clock.jump(10_000);
    await receive([{}]);
    await settled();
    // As when the removal is committed after the list was read.
    await bed.db.database.knex('webhook_deliveries').where({ endpoint_id: id }).delete();
    await bed.db.database.knex('webhook_attempts').where({ endpoint_id: id }).delete();
    await bed.db.database.knex('webhook_endpoints').where({ id }).delete();
    await receive([{}]);
    await settled();
    expect([left, stays].map(({ requests }) => requests.length)).toEqual([1, 2]);
  });
});
