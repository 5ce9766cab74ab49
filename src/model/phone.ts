import {
  type CountryCode,
  getCountryCallingCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/min';
import { GatewayError } from './errors.ts';
import { type Jid, jidServer, parseJid, phoneJid } from './jid.ts';

/** Tells whether the text is a country that numbers can be resolved by: ISO 3166-1 alpha-2, e.g. `TZ`. */
export function isCountry(text: string): text is CountryCode {
  return isSupportedCountry(text);
}

/** Returns the country of international phone digits, null when libphonenumber knows none. */
export function countryOfPhone(phone: string): string | null {
  return parsePhoneNumberFromString(`+${phone}`)?.country ?? null;
}

/**
 * Returns phone digits (E.164 without `+`) of a number as people write it, null when it cannot be a phone number.
 * Order (frappe-wire 2.6): explicit `+`/`00` → international; digits that start with the default country's calling code
 * and whose rest is valid → international; valid in the default country → national; valid with `+` in front → international.
 */
export function parsePhone(text: string, defaultCountry: string | null): string | null {
  const cleaned = cleanNumber(text);
  if (!/^\+?\d{7,17}$/.test(cleaned)) return null;
  if (cleaned.startsWith('+')) return validInternational(cleaned.slice(1));
  if (cleaned.startsWith('00')) return validInternational(cleaned.slice(2));

  const country = defaultCountry && isCountry(defaultCountry) ? defaultCountry : null;
  if (country) {
    const callingCode = getCountryCallingCode(country);
    if (cleaned.startsWith(callingCode)) {
      const international = parsePhoneNumberFromString(`+${cleaned}`);
      if (international?.isValid() && international.countryCallingCode === callingCode)
        return digitsOf(international.number);
    }
    const national = parsePhoneNumberFromString(cleaned, country);
    if (national?.isValid()) return digitsOf(national.number);
  }
  return validInternational(cleaned);
}

/**
 * Returns the address that a caller's text means: a Jid as it is, or a phone number.
 * @throws GatewayError invalid_number, naming the number
 */
export function parseAddress(text: string, defaultCountry: string | null): Jid {
  const jid = parseJid(text);
  if (jid) return jid;
  const phone = parsePhone(text, defaultCountry);
  if (!phone)
    throw new GatewayError('invalid_number', `${text.trim() || 'An empty text'} is not a valid phone number`, {
      details: { number: text },
    });
  return phoneJid(phone);
}

/**
 * Returns the address that a caller wants to write to: as `parseAddress`, but no status and no broadcast list, which are no chats.
 * @throws GatewayError invalid_number, naming the number
 */
export function parseRecipient(text: string, defaultCountry: string | null): Jid {
  const jid = parseAddress(text, defaultCountry);
  if (jidServer(jid) === 'broadcast')
    throw new GatewayError(
      'invalid_number',
      `${jid} is no chat: messages go to a phone number, a person or a group, not to a status or a broadcast list`,
      { details: { number: text } },
    );
  return jid;
}

/** Returns the numbers of a text that may hold several, split at `,` `;` `/` and line breaks (frappe-wire 2.6). */
export function splitNumbers(text: string): string[] {
  return text
    .split(/[,;/\n]+/)
    .map((part) => part.trim())
    .filter(Boolean);
}

/** NFKC (Arabic and full-width digits become ASCII), without invisible characters, `tel:`, trunk `(0)` and separators. */
function cleanNumber(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/[\p{Cf}\s]/gu, '')
    .replace(/\p{Nd}/gu, toAsciiDigit)
    .replace(/^tel:/i, '')
    .replace(/^(\+\d{1,3})\(0\)/, '$1')
    .replace(/[-_.*#()]/g, '');
}

/** NFKC leaves Arabic-Indic, Devanagari and other decimal digits: each script's zero lies at a multiple of its block of ten. */
function toAsciiDigit(digit: string): string {
  let zero = digit.codePointAt(0) ?? 0;
  const code = zero;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1)) && code - zero < 9) zero -= 1;
  return String(code - zero);
}

function validInternational(digits: string): string | null {
  const number = parsePhoneNumberFromString(`+${digits}`);
  return number?.isPossible() && digits.length >= 7 && digits.length <= 15 ? digitsOf(number.number) : null;
}

function digitsOf(e164: string): string {
  return e164.slice(1);
}
