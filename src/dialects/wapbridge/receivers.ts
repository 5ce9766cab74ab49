import { homeCountry } from '../../core/country.ts';
import { GatewayError } from '../../model/errors.ts';
import type { Instance } from '../../model/instance.ts';
import type { Jid } from '../../model/jid.ts';
import { parseRecipient, splitNumbers } from '../../model/phone.ts';

/**
 * Returns a reader of receiver texts, which may hold several numbers. All are read before the first is sent to, so that a bad one
 * refuses the whole call instead of leaving it half done. Local numbers: the request's country, else the instance's, else that of
 * its own number, else the gateway's (frappe-wire 2.6).
 */
export function createReceivers({ defaultCountry }: { defaultCountry: string | null }) {
  return (input: { text: string; country?: string | undefined; instance: Instance }): Jid[] => {
    const country = homeCountry(input.country, input.instance, defaultCountry);
    const addresses = new Set(splitNumbers(input.text).map((number) => parseRecipient(number, country)));
    if (addresses.size === 0) throw new GatewayError('invalid_number', `${input.text} is not a valid phone number`);
    return [...addresses];
  };
}
