import type { Instance } from '../model/instance.ts';
import { countryOfPhone } from '../model/phone.ts';

/** Returns the country local numbers are read by: the request's, else the instance's, else that of its own number, else the gateway's. */
export function homeCountry(
  requested: string | null | undefined,
  instance: Instance,
  gatewayDefault: string | null,
): string | null {
  return (
    requested ?? instance.defaultCountry ?? (instance.phone ? countryOfPhone(instance.phone) : null) ?? gatewayDefault
  );
}
