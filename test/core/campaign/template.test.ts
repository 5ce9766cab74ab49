import { describe, expect, it } from 'vitest';
import { parseTemplate, templateSeed, variableKey } from '../../../src/core/campaign/template.ts';

const render = (text: string, values: Record<string, string> = {}, seed = 1) =>
  parseTemplate(text).render(values, seed);

describe('a template', () => {
  it('is the text itself where nothing is special', () => {
    expect(render('Hello from WapBridge | 50% off\nC:\\temp')).toBe('Hello from WapBridge | 50% off\nC:\\temp');
  });

  it('puts in the recipient’s fields, however their names are written', () => {
    expect(render('Hi {{ First Name }}, {{first-name}} {{AMOUNT}}', { first_name: 'Asha', amount: '5' })).toBe(
      'Hi Asha, Asha 5',
    );
  });

  it('puts in a default where the field is absent or empty', () => {
    expect(render('Hi {{name|dear customer}}')).toBe('Hi dear customer');
    expect(render('Hi {{name|}}!', { name: ' ' })).toBe('Hi !');
    expect(render('Hi {{name|friend}}', { name: 'Asha' })).toBe('Hi Asha');
  });

  it('never reads a value as template', () => {
    expect(render('{{name}}', { name: '{a|b} {{other}}' })).toBe('{a|b} {{other}}');
  });

  it('does not take inherited properties for fields', () => {
    expect(parseTemplate('{{constructor}}').missing({})).toEqual(['constructor']);
  });

  it('lists what a recipient lacks: an empty field counts as absent', () => {
    const template = parseTemplate('{{name}} {{city|Dar}} {{amount}} {{name|x}}');
    expect(template.missing({ amount: '' })).toEqual(['name', 'amount']);
    expect(template.missing({ name: 'Asha', amount: '1' })).toEqual([]);
  });

  it('chooses among alternatives by the seed alone', () => {
    const text = '{Hi|Hello|Habari} {{name}}, {come|drop by} {today|{this|next} week}';
    const template = parseTemplate(text);
    expect(template.variants).toBe(3 * 2 * 3);
    const seen = new Set<string>();
    for (let seed = 0; seed < 400; seed += 1) {
      const rendered = template.render({ name: 'Asha' }, seed);
      expect(parseTemplate(text).render({ name: 'Asha' }, seed)).toBe(rendered);
      seen.add(rendered);
    }
    expect(seen.size).toBe(18);
  });

  it('spreads recipients evenly over the alternatives', () => {
    const template = parseTemplate('{a|b|c|d}');
    const counts = new Map<string, number>();
    for (let number = 0; number < 8000; number += 1) {
      const letter = template.render({}, templateSeed('WAP-CAM-0001', `2557${57_000_000 + number}`));
      counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
    for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(200);
    expect(counts.size).toBe(4);
  });

  it.each([
    ['{{{name}}|friend}', ['Asha', 'friend']],
    ['{friend|{{name}}}', ['Asha', 'friend']],
    ['{{a|b}|c}', ['a', 'b', 'c']],
    ['{|, Asha}', ['', ', Asha']],
    ['\\{a|b\\} \\| \\\\', ['{a|b} | \\']],
  ])('reads %s', (text, all) => {
    const seen = new Set(Array.from({ length: 60 }, (_, seed) => render(text, { name: 'Asha' }, seed)));
    expect([...seen].toSorted()).toEqual(all.toSorted());
  });

  it.each([
    ['Hi {name}', 4, 'no alternatives'],
    ['Hi {{name', 4, 'not closed'],
    ['Hi {{}}', 4, 'not the name'],
    ['Hi {a|b', 4, 'never closed'],
    ['Hi } there', 4, 'closes nothing'],
    ['Hi {{a b!}} x', 4, 'not the name'],
    ['{x|'.repeat(11) + 'a' + '}'.repeat(11), 31, 'inside one another'],
  ])('refuses %s and says where and why', (text, position, reason) => {
    expect(() => parseTemplate(text)).toThrow(
      expect.objectContaining({
        code: 'invalid_input',
        message: expect.stringMatching(`character ${position}: .*${reason}`),
      }),
    );
  });
});

describe('names and seeds', () => {
  it('make one key of the ways to write a name', () => {
    expect(['First Name', 'first-name', ' FIRST_NAME ', 'first.name'].map(variableKey)).toEqual(
      Array.from({ length: 4 }, () => 'first_name'),
    );
  });

  it('differ by campaign and by phone', () => {
    const seeds = [
      templateSeed('WAP-CAM-0001', '255757111111'),
      templateSeed('WAP-CAM-0001', '255757111112'),
      templateSeed('WAP-CAM-0002', '255757111111'),
    ];
    expect(new Set(seeds).size).toBe(3);
  });
});
