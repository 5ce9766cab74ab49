import { describe, expect, it } from 'vitest';
import { createWordReader, defaultOptOutWords } from '../../../src/core/campaign/optout.ts';

const read = createWordReader(defaultOptOutWords);

describe('the words by which people opt out', () => {
  it.each([
    'STOP',
    ' stop ',
    'Stop!!',
    '*STOP*',
    '"stop".',
    'stop 🙏',
    'Stop\n',
    'STOP  ALL',
    'ACHA',
    'Sitisha.',
    'SAIR',
    'BAJA',
    'Arrêt',
    'ARRET',
    'No mas',
    'ÇIK',
    'СТОП',
    'توقف',
    'बंद',
    '退订',
  ])('%j opts out', (body) => {
    expect(read(body)).toBe('stop');
  });

  it.each(['START', 'unstop', 'Anza!', 'démarrer', 'S’abonner', 'старт', '开始'])('%j opts in', (body) => {
    expect(read(body)).toBe('start');
  });

  it.each([
    '',
    '👍',
    'please stop by tomorrow',
    'Stop it, you',
    'the bus stop',
    'nonstop',
    'ok',
    'x'.repeat(5000),
    'stop '.repeat(30),
  ])('%j says neither', (body) => {
    expect(read(body)).toBeNull();
  });

  it('can be an account’s own', () => {
    const own = createWordReader({ stop: ['NO PROMO'], start: ['PROMO'] });
    expect(['no promo', 'Promo!', 'STOP'].map(own)).toEqual(['stop', 'start', null]);
  });

  it('never mean both', () => {
    const both = defaultOptOutWords.start.filter((word) => read(word) !== 'start');
    expect(both).toEqual([]);
  });
});
