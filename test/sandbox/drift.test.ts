import { afterEach, describe, expect, it } from 'vitest';
import { createTestBed, once, until } from './support.ts';
import type { TestBed } from './support.ts';

const PHONE = '491700000001';
const ANN = '491700000002';
let bed: TestBed;
afterEach(() => bed?.close());

describe('changes of WhatsApp Web, shown on purpose', () => {
  it('renames the text of a message key, so that the stock library loses what it sent', async () => {
    bed = await createTestBed({ drift: ['msg-key-renamed'] });
    const client = await bed.start('a', { linkAs: PHONE });
    expect(await client.sendMessage(`${ANN}@c.us`, 'hello')).toBeUndefined();
    await until(() => bed.sandbox.network.messages().find(({ acks }) => acks === 3));
  });

  it('keeps chats under the LID, so that a message sent to a phone has a LID in its key', async () => {
    bed = await createTestBed({ drift: ['lid-chats'] });
    const client = await bed.start('a', { linkAs: PHONE });
    const sent = await client.sendMessage(`${ANN}@c.us`, 'hello');
    expect(sent.to).toMatch(/^\d+@lid$/);
    expect(sent.id._serialized).toBe(`true_${sent.to}_${sent.id.id}`);
    await until(async () => (await client.getMessageById(sent.id._serialized)).ack === 3);
    expect(bed.sandbox.network.messages()).toMatchObject([{ to: sent.to, toPhone: ANN }]);
    const coming = once(client, 'message');
    bed.sandbox.network.receive({ to: PHONE, from: ANN, as: 'lid', text: 'hi' });
    expect((await coming)[0]).toMatchObject({ from: sent.to });
    expect(await client.getChats()).toHaveLength(1);
  });
});
