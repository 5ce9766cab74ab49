import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SandboxOptions } from '../../src/sandbox/sandbox.ts';
import type { Amendment, ReceivedMessage } from '../../src/whatsapp/client.ts';
import { until } from '../support/clock.ts';
import { type ClientBed, createClientBed, own } from './linked-client.ts';

const friend = '255757123456';

const pages: [string, NonNullable<SandboxOptions['drift']>][] = [
  ['as the library knows it', []],
  ['whose ids are under another name and whose chats have moved to LIDs', ['msg-key-renamed', 'lid-chats']],
];

describe.each(pages)('on a page %s', (_, drift) => {
  let bed: ClientBed;
  beforeEach(async () => {
    bed = await createClientBed({ drift });
  });
  afterEach(() => bed.close());

  const received = () =>
    bed.events.flatMap((event): ReceivedMessage[] => (event.type === 'received' ? event.messages : []));
  const amendments = () =>
    bed.events.flatMap((event): Amendment[] => (event.type === 'amended' ? event.amendments : []));
  const kinds = (list: Amendment[]) => [...new Set(list.map(({ type, waId }) => `${type} ${waId}`))].toSorted();

  it('tells edits, deletions and reactions, of messages in memory and of those in the profile alone', async () => {
    const { network } = bed.sandbox;
    const ids = ['edited', 'revoked', 'liked'].map((text) => network.receive({ to: own, from: friend, text }).id);
    const [edited, revoked, liked] = ids as [string, string, string];
    await until('they have come', () => received().length === 3);
    const keys = received().map(({ waKey, happenedAt }) => ({ waKey, happenedAt }));
    const change = () => {
      network.edit({ id: edited, text: `edited ${Date.now()}` });
      network.react({ id: liked, by: friend, emoji: '👍', as: drift.length > 0 ? 'lid' : 'phone' });
    };
    change();
    await until('both are told', () => kinds(amendments()).length === 2);
    await bed.restart();
    change();
    network.revoke({ id: revoked });
    await until('all are told', () => kinds(amendments()).length === 3);
    const expected = [`edited ${edited}`, `reacted ${liked}`, `revoked ${revoked}`].toSorted();
    expect(kinds(amendments())).toEqual(expected);
    for (const amendment of amendments()) expect(amendment.chats).toContain(`${friend}@c.us`);
    expect(amendments().find(({ type }) => type === 'reacted')).toMatchObject({ senderPhone: friend, fromMe: false });

    bed.sandbox.network.react({ id: liked, by: friend, emoji: '' });
    await bed.restart();
    const found = await bed.client.amended(keys);
    expect(kinds(found)).toEqual(expected);
    expect(found.find(({ type }) => type === 'reacted')).toMatchObject({ emoji: '' });
  });

  it('tells what is written on the phone, and not what it sends itself', async () => {
    bed.sandbox.network.write({ from: own, to: friend, text: 'from the phone' });
    await bed.client.send([
      {
        waId: '3EB0AAAAAAAAAAAAAAAA01',
        chat: `${friend}@c.us` as ReceivedMessage['chat'],
        content: { type: 'text', text: 'from here' },
        retry: false,
      },
    ]);
    await until('it is told', () => received().length === 1);
    await until('the other has gone', () => bed.sandbox.network.messages({ phone: friend }).length === 2);
    expect(received()).toMatchObject([
      { fromMe: { ack: expect.any(Number) }, senderPhone: own, content: { type: 'text', text: 'from the phone' } },
    ]);
  });
});
