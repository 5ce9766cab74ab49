import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/model/errors.ts';
import { countryOfPhone, parseAddress, parsePhone, parseRecipient, splitNumbers } from '../../src/model/phone.ts';

describe('a phone number', () => {
  it.each([
    ['+255757123456', 'international with +'],
    ['255757123456', 'international without +'],
    ['00255757123456', 'the 00 prefix'],
    ['+255 757 123 456', 'spaces'],
    ['+255-757-123-456', 'dashes'],
    ['+255-757123456', 'Frappe’s Phone field'],
    ['+255 (757) 123.456', 'brackets and dots'],
    ['+255(0)757123456', 'a trunk zero in brackets'],
    ['0757123456', 'the local form'],
    ['757123456', 'the local form without its zero'],
    ['0757 123 456', 'the local form with spaces'],
    ['tel:+255757123456', 'a tel: link'],
    ['‪+255757123456‬', 'invisible marks of direction'],
    ['٠٧٥٧١٢٣٤٥٦', 'Arabic digits'],
    ['०७५७१२३४५६', 'Devanagari digits'],
    ['+２５５７５７１２３４５６', 'full-width digits'],
    ['0757_123_456#', 'marks that Frappe’s Phone field allows'],
  ])('%s is read: %s', (text) => {
    expect(parsePhone(text, 'TZ')).toBe('255757123456');
  });

  it.each([
    ['', 'nothing'],
    ['12', 'too short'],
    ['+1234567890123456', 'sixteen digits'],
    ['hello', 'letters'],
    ['255757CALLME', 'digits and letters'],
    ['+', 'a bare plus'],
  ])('%s is refused: %s', (text) => {
    expect(parsePhone(text, 'TZ')).toBeNull();
  });

  it('of another country goes through without + when it is not a local one', () => {
    expect(parsePhone('4915112345678', 'TZ')).toBe('4915112345678');
    expect(parsePhone('15005550006', null)).toBe('15005550006');
  });

  it('needs no country when it is international', () => {
    expect(parsePhone('255757123456', null)).toBe('255757123456');
  });

  it('tells its country', () => {
    expect(countryOfPhone('255757123456')).toBe('TZ');
    expect(countryOfPhone('0')).toBeNull();
  });

  it('is one of several in a field', () => {
    expect(splitNumbers('0757123456, +49 151;\n777/888')).toEqual(['0757123456', '+49 151', '777', '888']);
  });
});

describe('an address', () => {
  it('is a phone number or a Jid', () => {
    expect(parseAddress('0757123456', 'TZ')).toBe('255757123456@c.us');
    expect(parseAddress('255757123456@s.whatsapp.net', null)).toBe('255757123456@c.us');
    expect(parseAddress('120363041234567890@g.us', null)).toBe('120363041234567890@g.us');
    expect(parseAddress('120542636048510@lid', null)).toBe('120542636048510@lid');
  });

  it('that is neither is an error naming it', () => {
    expect(() => parseAddress('abc', 'TZ')).toThrow(GatewayError);
    expect(() => parseAddress('abc', 'TZ')).toThrow('abc is not a valid phone number');
  });

  it('to write to is no status and no broadcast list', () => {
    for (const text of ['status@broadcast', '1700000000@broadcast'])
      expect(() => parseRecipient(text, 'TZ')).toThrow(`${text} is no chat: `);
    expect(parseRecipient('0757123456', 'TZ')).toBe('255757123456@c.us');
    expect(parseRecipient('120363041234567890@newsletter', null)).toBe('120363041234567890@newsletter');
  });
});
