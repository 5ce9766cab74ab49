import { GatewayError } from '../model/errors.ts';
import type { Instance } from '../model/instance.ts';
import { type Jid, jidServer } from '../model/jid.ts';
import { parseRecipient } from '../model/phone.ts';
import type { Caller } from '../model/token.ts';
import { homeCountry } from './country.ts';
import type { Features } from './features.ts';
import type { Supervisor } from './supervisor.ts';

/** What WhatsApp says of a number. */
export interface NumberCheck {
  /** As the caller wrote it. */
  number: string;
  jid: Jid | null;
  onWhatsApp: boolean;
  /** Why it could not be checked. */
  error?: string;
}

/** The people whom instances can write to. */
export interface Contacts {
  /** Asks WhatsApp for each number, one after another. @throws GatewayError instance_not_ready | invalid_input | feature_unavailable */
  check(
    caller: Caller,
    input: { instance: Instance; numbers: string[]; country?: string | null },
  ): Promise<NumberCheck[]>;
}

/** Checking many numbers at once is what gets numbers banned: more than this are refused. */
const mostNumbers = 50;

/** Returns the use cases of contacts. */
export function createContacts({
  supervisor,
  features,
  defaultCountry,
}: {
  supervisor: Supervisor;
  features: Pick<Features, 'require'>;
  defaultCountry: string | null;
}): Contacts {
  return {
    async check(_caller, { instance, numbers, country }) {
      if (numbers.length > mostNumbers)
        throw new GatewayError('invalid_input', `At most ${mostNumbers} numbers can be checked at once`);
      const client = supervisor.client(instance.id);
      await features.require(instance.id, 'check_numbers');
      const home = homeCountry(country, instance, defaultCountry);
      const checks: NumberCheck[] = [];
      for (const number of numbers) checks.push(await checkOne(number, home, (jid) => client.checkNumber(jid)));
      return checks;
    },
  };
}

async function checkOne(
  number: string,
  country: string | null,
  ask: (jid: Jid) => Promise<Jid | null>,
): Promise<NumberCheck> {
  try {
    const address = parseRecipient(number, country);
    if (jidServer(address) === 'g.us') return { number, jid: address, onWhatsApp: true };
    const jid = await ask(address);
    return { number, jid, onWhatsApp: jid !== null };
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'invalid_number')
      return { number, jid: null, onWhatsApp: false, error: error.message };
    throw error;
  }
}
