import { expect, it } from 'vitest';
import { createMessageStore } from '../../src/store/messages.ts';
import { createRowWriter } from '../../src/store/rows.ts';
import { forEachDatabase } from '../support/database.ts';
import { buildInstance, buildMessage } from '../support/factories.ts';

interface DueRow {
  due_at: number;
  message_id: string | undefined;
}

forEachDatabase((open) => {
  it('writes every row once, however many there are', async () => {
    const { database, drop } = await open();
    const writer = createRowWriter<DueRow>(database, 'message_due', ['due_at', 'message_id']);
    for (const count of [0, 1, 3, 63, 64, 127, 128, 129, 300]) {
      const rows = Array.from({ length: count }, (_, index) => ({ due_at: count, message_id: `row ${index}` }));
      await writer.write(database.knex, rows);
      const written = (await database.knex('message_due').where({ due_at: count })) as DueRow[];
      expect(new Set(written.map((row) => row.message_id))).toEqual(new Set(rows.map((row) => row.message_id)));
      expect(written).toHaveLength(count);
    }
    await drop();
  });

  it('writes messages all or not at all, also when they take several statements', async () => {
    const { database, drop } = await open();
    const messages = createMessageStore(database);
    const instance = await buildInstance(database);
    const group = Array.from({ length: 150 }, () => buildMessage(instance));
    await expect(messages.insert([...group, { ...group[0]!, waId: 'another' }])).rejects.toThrow();
    expect(await messages.byIds(group.map(({ id }) => id))).toEqual([]);
    await messages.insert(group);
    expect(await messages.byIds(group.map(({ id }) => id))).toEqual(group);
    await drop();
  });
});
