import type { RecipientInput } from '../../model/campaign.ts';
import { GatewayError } from '../../model/errors.ts';
import { isTimeZone } from './local-time.ts';
import { createPhoneReader } from './phone-reader.ts';
import { type Template, createKeyReader } from './template.ts';
import { zoneOfPhone } from './zones.ts';

/** A recipient as the store keeps it. */
export interface NormalRecipient {
  /** Digits with country code. */
  phone: string;
  /** IANA zone, or several joined by `+`. */
  zone: string;
  /** The fields that the template uses, by `variableKey`; null when it needs none of the recipient. */
  variables: Record<string, string> | null;
}

/** Takes recipients in, batch by batch, and remembers what could not be taken. */
export interface Intake {
  /**
   * Returns the batch's valid recipients, in order, duplicates included.
   * @throws GatewayError invalid_input, naming the recipient, when a variable of the template has neither value nor default
   */
  take(batch: readonly RecipientInput[]): NormalRecipient[];
  /** The first 100 that were not taken, and why. */
  readonly invalid: { number: string; reason: string }[];
  readonly invalidCount: number;
}

const listedInvalid = 100;
/** What the row of a recipient has room for. */
const maxFieldsLength = 2_000;
/** Fields that every recipient has. */
const builtIn = ['phone_number', 'phone'];

/** Returns an intake for one call. `defaults` are the campaign's variables, by `variableKey`; `zone` is for numbers of no country. */
export function createIntake(input: {
  country: string | null;
  zone: string;
  template: Template;
  defaults: Readonly<Record<string, string>>;
}): Intake {
  const { template, defaults } = input;
  const phoneOf = createPhoneReader(input.country);
  const keyOf = createKeyReader();
  const keys = new Set(template.variables.map(({ key }) => key));
  const knownZones = new Map<string, boolean>();
  const invalid: { number: string; reason: string }[] = [];
  let invalidCount = 0;

  function take(batch: readonly RecipientInput[]): NormalRecipient[] {
    const taken: NormalRecipient[] = [];
    for (const recipient of batch) {
      const result = normal(recipient);
      if (typeof result === 'object') taken.push(result);
      else refuse(recipient, result);
    }
    return taken;
  }

  function refuse(recipient: RecipientInput, reason: string): void {
    invalidCount += 1;
    if (invalid.length < listedInvalid) invalid.push({ number: recipient.number.slice(0, 100), reason });
  }

  /** The recipient, or why it cannot be taken. */
  function normal(recipient: RecipientInput): NormalRecipient | string {
    const phone = phoneOf(recipient.number);
    if (phone === null) return recipient.number.trim() === '' ? 'has no number' : 'is not a valid phone number';
    const wished = recipient.zone?.trim();
    if (wished && !isZone(wished)) return `${wished.slice(0, 40)} is not a time zone`;
    const variables = keys.size > 0 ? fieldsOf(recipient, phone) : null;
    if (typeof variables === 'string') return variables;
    return { phone, zone: wished || (zoneOfPhone(phone) ?? input.zone), variables };
  }

  function fieldsOf(recipient: RecipientInput, phone: string): Record<string, string> | string {
    const fields = new Map<string, string>();
    for (const [name, value] of Object.entries(recipient.variables ?? {})) {
      const key = keyOf(name);
      if (!keys.has(key) || value === null || value === undefined) continue;
      if (typeof value === 'object') return `its field ${name.slice(0, 40)} is neither a text nor a number`;
      // An empty field is an absent one, so that a default of the campaign or of the template stands in.
      const text = String(value as string | number | boolean);
      if (text.trim() !== '') fields.set(key, text);
    }
    for (const key of builtIn) if (keys.has(key) && !fields.has(key)) fields.set(key, phone);
    const own = Object.fromEntries(fields);
    checkComplete(phone, own);
    return JSON.stringify(own).length > maxFieldsLength
      ? `its fields are longer than ${maxFieldsLength} characters together`
      : own;
  }

  function checkComplete(phone: string, own: Record<string, string>): void {
    const lacking = template.missing(own).filter((key) => (defaults[key] ?? '').trim() === '');
    if (lacking.length === 0) return;
    const sentence = `Recipient ${phone} has no ${lacking.join(', no ')}: give it, or a default such as {{${lacking[0]}|…}}`;
    throw new GatewayError('invalid_input', sentence, {
      details: { recipients: sentence, number: phone, missing: lacking },
    });
  }

  function isZone(name: string): boolean {
    let known = knownZones.get(name);
    if (known === undefined) {
      known = name.length <= 40 && isTimeZone(name);
      if (knownZones.size < 1_000) knownZones.set(name, known);
    }
    return known;
  }

  return {
    take,
    invalid,
    get invalidCount() {
      return invalidCount;
    },
  };
}
