import { getCountries, getCountryCallingCode } from 'libphonenumber-js/min';
import { describe, expect, it } from 'vitest';
import { createPhoneReader } from '../../../src/core/campaign/phone-reader.ts';
import { createIntake } from '../../../src/core/campaign/recipients.ts';
import { parseTemplate } from '../../../src/core/campaign/template.ts';
import { parsePhone } from '../../../src/model/phone.ts';

const intake = (text = 'Hello', defaults: Record<string, string> = {}) =>
  createIntake({ country: 'TZ', zone: 'Africa/Dar_es_Salaam', template: parseTemplate(text), defaults });

describe('the intake of recipients', () => {
  it('takes numbers as people write them, each with the zone of its country', () => {
    const taken = intake().take([
      { number: '255757111111' },
      { number: '+255 757-111-112' },
      { number: '0757 111 113' },
      { number: '255757111114@c.us' },
      { number: '+1 (415) 555-0100' },
      { number: '+870 773 111 632' },
    ]);
    expect(taken.map(({ phone, zone }) => `${phone} ${zone}`)).toEqual([
      '255757111111 Africa/Dar_es_Salaam',
      '255757111112 Africa/Dar_es_Salaam',
      '255757111113 Africa/Dar_es_Salaam',
      '255757111114 Africa/Dar_es_Salaam',
      '14155550100 America/New_York+America/Los_Angeles',
      '870773111632 Africa/Dar_es_Salaam',
    ]);
  });

  it('lets a recipient name a zone', () => {
    const own = intake();
    expect(own.take([{ number: '14155550100', zone: 'America/Denver' }])[0]?.zone).toBe('America/Denver');
    expect(own.take([{ number: '14155550100', zone: 'Mars/Olympus' }])).toEqual([]);
    expect(own.invalid).toEqual([{ number: '14155550100', reason: 'Mars/Olympus is not a time zone' }]);
  });

  it('counts what it cannot take and lists the first hundred', () => {
    const own = intake();
    const bad = ['', 'hello', '12', '120363041234567890@g.us', '9'.repeat(400)].map((number) => ({ number }));
    expect(own.take([...bad, { number: '255757111111' }])).toHaveLength(1);
    expect(own.invalidCount).toBe(5);
    expect(own.invalid[0]).toEqual({ number: '', reason: 'has no number' });
    expect(own.invalid[4]?.number).toHaveLength(100);
    own.take(Array.from({ length: 500 }, () => ({ number: 'x' })));
    expect([own.invalid.length, own.invalidCount]).toEqual([100, 505]);
  });

  it('keeps only the fields that the template uses, as texts', () => {
    const [taken] = intake('{{name}} {{Amount}} {{phone_number}} {{city|Dar}}').take([
      { number: '255757111111', variables: { NAME: 'Asha', amount: 5.5, city: ' ', secret: 'x' } },
    ]);
    expect(taken?.variables).toEqual({ name: 'Asha', amount: '5.5', phone_number: '255757111111' });
  });

  it('keeps no fields for a template without variables', () => {
    expect(intake().take([{ number: '255757111111', variables: { name: 'Asha' } }])[0]?.variables).toBeNull();
  });

  it('names the recipient who lacks a variable', () => {
    const batch = [
      { number: '255757111111', variables: { name: 'Asha' } },
      { number: '255757111112', variables: { name: '' } },
    ];
    expect(() => intake('Hi {{name}}').take(batch)).toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(/255757111112 has no name/) }),
    );
    expect(intake('Hi {{name}}', { name: 'friend' }).take(batch)).toHaveLength(2);
    expect(intake('Hi {{name|friend}}').take(batch)).toHaveLength(2);
  });

  it.each([
    [{ name: { first: 'Asha' } }, 'neither a text nor a number'],
    [{ name: 'x'.repeat(2_001) }, 'longer than 2000'],
  ])('refuses a recipient whose fields cannot be kept', (variables, reason) => {
    const own = intake('Hi {{name}}');
    expect(own.take([{ number: '255757111111', variables }])).toEqual([]);
    expect(own.invalid[0]?.reason).toContain(reason);
  });
});

describe('the quick reader of numbers', () => {
  it('gives what the careful one gives, in every country', () => {
    let state = 7;
    const digits = (length: number) =>
      Array.from({ length }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return String(Math.floor((state / 4_294_967_296) * 10));
      }).join('');
    const different: string[] = [];
    for (const country of getCountries()) {
      const read = createPhoneReader(country);
      for (let index = 0; index < 12; index += 1) {
        const head = index % 2 === 0 ? `${getCountryCallingCode(country)}${digits(4 + (index % 4))}` : digits(8);
        for (const tail of [digits(3), digits(3), digits(3)])
          for (const text of [head + tail, `+${head}${tail}`, `0${head}${tail}`])
            if (read(text) !== parsePhone(text, country)) different.push(`${country} ${text}`);
      }
    }
    expect(different).toEqual([]);
  });
});
