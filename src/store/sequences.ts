import type { Knex } from 'knex';

/** Returns the next number of a named series, starting at 1, inside the caller's transaction. */
export async function nextNumber(trx: Knex.Transaction, name: string): Promise<number> {
  await trx('sequences')
    .insert({ name, value: 1 })
    .onConflict('name')
    .merge({ value: trx.raw('?? + 1', ['sequences.value']) });
  const row = (await trx('sequences').where({ name }).first('value')) as { value: number };
  return row.value;
}

/** Gives the latest number of a series back, which nobody has seen; an earlier one stays used. */
export async function giveBackNumber(trx: Knex.Transaction, name: string, number: number): Promise<void> {
  await trx('sequences')
    .where({ name, value: number })
    .update({ value: number - 1 });
}
