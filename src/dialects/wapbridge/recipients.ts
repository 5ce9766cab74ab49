import { createKeyReader, variableKey } from '../../core/campaign/template.ts';
import type { Rows } from '../../http/rows.ts';
import type { RecipientInput } from '../../model/campaign.ts';
import { GatewayError } from '../../model/errors.ts';

/** Names under which a recipient's number may come, the documented ones first; headers of exported lists vary. */
const numberNames = [
  'phone_number',
  'to_number',
  'phone',
  'mobile',
  'mobile_no',
  'mobile_number',
  'number',
  'to',
  'receiver',
  'msisdn',
  'whatsapp',
  'whatsapp_number',
  'cell',
  'telephone',
  'tel',
];
const zoneNames = new Set(['time_zone', 'timezone', 'zone']);

/**
 * Returns the recipients in rows: numbers, or objects with a number under one of its names, `variables`, a `time_zone`, and any
 * fields of their own. Entries that are neither come out without a number, so that they are counted and listed.
 * @throws GatewayError invalid_input for an empty list, and for a table without a column of numbers
 */
export async function* recipientsOf(rows: Rows): AsyncGenerator<RecipientInput[]> {
  const keyOf = createKeyReader();
  let count = 0;
  for await (const batch of rows) {
    if (count === 0 && rows.format === 'csv') checkColumns(batch[0]);
    count += batch.length;
    yield batch.map((row) => recipientOf(row, keyOf));
  }
  if (count === 0)
    throw new GatewayError('invalid_input', 'The list of recipients is empty', { details: { recipients: 'is empty' } });
}

function recipientOf(row: unknown, keyOf: (name: string) => string): RecipientInput {
  if (typeof row === 'string') return { number: row };
  if (typeof row === 'number') return { number: String(row) };
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return { number: JSON.stringify(row) };
  const variables: Record<string, unknown> = {};
  let number: unknown;
  let rank = Infinity;
  let zone: unknown;
  for (const [name, value] of Object.entries(row)) {
    const key = keyOf(name);
    const found = numberNames.indexOf(key);
    if (found >= 0 && found < rank && isText(value)) [number, rank] = [value, found];
    else if (zoneNames.has(key)) zone = value;
    else if (key !== 'variables' || typeof value !== 'object') define(variables, name, value);
  }
  if ('variables' in row && typeof row.variables === 'object' && row.variables !== null)
    for (const [name, value] of Object.entries(row.variables)) define(variables, name, value);
  return {
    number: isText(number) ? String(number) : '',
    variables,
    ...(typeof zone === 'string' && zone.trim() !== '' && { zone }),
  };
}

function isText(value: unknown): value is string | number {
  return (typeof value === 'string' && value.trim() !== '') || typeof value === 'number';
}

function define(target: Record<string, unknown>, name: string, value: unknown): void {
  // Assigned, this one would change what the object inherits; nobody has such a field.
  if (name !== '__proto__') target[name] = value;
}

function checkColumns(first: unknown): void {
  if (typeof first !== 'object' || first === null) return;
  const columns = Object.keys(first);
  if (columns.some((name) => numberNames.includes(variableKey(name)))) return;
  const sentence = `The table needs a header row with a column phone_number; its columns are ${columns.join(', ').slice(0, 200)}`;
  throw new GatewayError('invalid_input', sentence, { details: { recipients: sentence } });
}
