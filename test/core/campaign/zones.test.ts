import { getCountries, getCountryCallingCode } from 'libphonenumber-js/min';
import { describe, expect, it } from 'vitest';
import { isTimeZone } from '../../../src/core/campaign/local-time.ts';
import { mainZone, zoneOfPhone } from '../../../src/core/campaign/zones.ts';

describe('the zone of a phone number', () => {
  it.each([
    ['255757111111', 'Africa/Dar_es_Salaam'],
    ['254712345678', 'Africa/Nairobi'],
    ['919876543210', 'Asia/Kolkata'],
    ['4915112345678', 'Europe/Berlin'],
    ['77011234567', 'Asia/Almaty'],
    ['18085550100', 'Pacific/Honolulu'],
    ['18765550100', 'America/Jamaica'],
    ['5592991234567', 'America/Manaus'],
    ['5511991234567', 'America/Sao_Paulo'],
  ])('%s is %s', (phone, zone) => {
    expect(zoneOfPhone(phone)).toBe(zone);
  });

  it('is all of a country’s outer zones where the number does not tell', () => {
    expect(zoneOfPhone('14155550100')).toBe('America/New_York+America/Los_Angeles');
    expect(mainZone(zoneOfPhone('79161234567') ?? '')).toBe('Europe/Moscow');
  });

  it('is known for every country that libphonenumber knows', () => {
    const missing = getCountries().filter((country) => zoneOfPhone(`${getCountryCallingCode(country)}000000`) === null);
    expect(missing).toEqual([]);
  });

  it('is a zone that this Node knows', () => {
    const zones = new Set(
      Array.from({ length: 9999 }, (_, prefix) => zoneOfPhone(String(prefix))).flatMap(
        (zone) => zone?.split('+') ?? [],
      ),
    );
    expect([...zones].filter((zone) => !isTimeZone(zone))).toEqual([]);
    expect(zones.size).toBeGreaterThan(200);
  });

  it('is unknown for satellite phones and the like', () => {
    expect(zoneOfPhone('870123456789')).toBeNull();
  });
});
