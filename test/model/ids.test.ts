import { expect, it } from 'vitest';
import { accountId, createIdSource, instanceId, newWaId } from '../../src/model/ids.ts';
import { bareMessageId, parseJid, serializeMessageKey } from '../../src/model/jid.ts';

it('ids sort by the order they were made in, also within one millisecond', () => {
  const newId = createIdSource(() => 1_767_791_640_000);
  const ids = Array.from({ length: 1000 }, newId);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(1000);
});

it('WhatsApp ids look as WhatsApp Web makes them and differ', () => {
  const ids = Array.from({ length: 1000 }, () => newWaId({ nowMs: 1, ownId: 'INST' }));
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(/^3EB0[0-9A-F]{18}$/);
});

it('instance and account ids have the source document’s form', () => {
  expect(instanceId(142, Date.UTC(2026, 0, 7))).toBe('INST-01-0000142');
  expect(accountId(143)).toBe('CUST-0143');
});

it('a message key is written and read as whatsapp-web.js does', () => {
  const chat = parseJid('255755123456@c.us')!;
  expect(serializeMessageKey({ fromMe: true, chat, id: '3EB0AA' })).toBe('true_255755123456@c.us_3EB0AA');
  const group = parseJid('120363041234567890@g.us')!;
  expect(serializeMessageKey({ fromMe: false, chat: group, id: 'AA', participant: chat })).toBe(
    'false_120363041234567890@g.us_AA_255755123456@c.us',
  );
  expect(bareMessageId('false_120363041234567890@g.us_AA_255755123456@c.us')).toBe('AA');
  expect(bareMessageId('3EB0AA')).toBe('3EB0AA');
});

it('a Jid keeps its person and drops the device', () => {
  expect(parseJid('255755123456:12@s.whatsapp.net')).toBe('255755123456@c.us');
  expect(parseJid('status@broadcast')).toBe('status@broadcast');
  for (const text of ['', '@c.us', 'x@c.us', '255755123456@evil.com', '2557 5@c.us', '1'.repeat(30) + '@c.us'])
    expect(parseJid(text)).toBeNull();
});
