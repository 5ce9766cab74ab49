import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

const file = resolve(import.meta.dirname, '../../frappe-app/wap_bridge/public/js/wap_bridge/markup.js');
const { escape, to_html: toHtml } = (await import(pathToFileURL(file).href)) as Record<
  'escape' | 'to_html',
  (text: unknown) => string
>;

describe('messages on the desk of the Frappe app', () => {
  it('are text: nothing in them becomes HTML', () => {
    for (const evil of [
      '<img src=x onerror=alert(1)>',
      '*<script>alert(1)</script>*',
      '_<b onmouseover="x">_',
      '```<i>```',
      `' " & < >`,
      '*"onclick="x* <a href=javascript:x>',
    ]) {
      expect(toHtml(evil).replaceAll(/<\/?(strong|em|s|code|br)>/g, '')).not.toMatch(/[<>"']/);
      expect(escape(evil)).not.toMatch(/[<>"']/);
    }
  });

  it('are marked up as on the phone', () => {
    expect(toHtml('*Invoice 7* is _due_ ~today~ on Monday')).toBe(
      '<strong>Invoice 7</strong> is <em>due</em> <s>today</s> on Monday',
    );
    expect(toHtml('*_both_*')).toBe('<strong><em>both</em></strong>');
    expect(toHtml('one\ntwo')).toBe('one<br>two');
    expect(toHtml('```*as it is*```')).toBe('<code>*as it is*</code>');
  });

  it('keep characters that are no markup', () => {
    for (const plain of ['2*3*4', 'snake_case_name', 'a * b * c', '5 ~ 6', '']) expect(toHtml(plain)).toBe(plain);
    expect(toHtml(null)).toBe('');
    expect(toHtml(undefined)).toBe('');
  });
});
