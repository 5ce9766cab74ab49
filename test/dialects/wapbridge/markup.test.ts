import { describe, expect, it } from 'vitest';
import { toWhatsAppText } from '../../../src/dialects/wapbridge/markup.ts';
import { priorityOf } from '../../../src/dialects/wapbridge/otp.ts';
import { priorities } from '../../../src/model/message.ts';
import { cpuMsOf } from '../../support/clock.ts';

describe('toWhatsAppText', () => {
  it.each([
    ['plain text', 'Hi *you*\nà 5%', 'Hi *you*\nà 5%'],
    ['comparisons', 'if a < b and c > d', 'if a < b and c > d'],
    ['an e-mail address in brackets', 'Ann <ann@example.com>', 'Ann <ann@example.com>'],
    ['an unknown tag', 'Use <name> here', 'Use <name> here'],
    [
      'Markdown made HTML',
      '<p>Dear Ann,</p>\n\n<p>Order <strong>SO-1</strong> is <em>ready</em>.</p>\n',
      'Dear Ann,\n\nOrder *SO-1* is _ready_.',
    ],
    ['line breaks', 'one<br>two<br/>three<br />\nfour', 'one\ntwo\nthree\nfour'],
    [
      'line breaks of the author beside inline tags',
      'Dear Ann,\nyour <b>order</b>\nis ready',
      'Dear Ann,\nyour *order*\nis ready',
    ],
    ['strike and code', '<s>old</s> <del>older</del> <code>x = 1</code>', '~old~ ~older~ `x = 1`'],
    ['marks around spaces', 'a<b> bold </b>b', 'a *bold* b'],
    ['marks over lines', '<b>one<br>two</b>', '*one*\n*two*'],
    ['marks inside marks', '<b>a <i>b</i></b>', '*a _b_*'],
    ['a mark twice', '<b><strong>a</strong></b>', '*a*'],
    ['an empty mark', 'a<b></b>b', 'ab'],
    ['a list', '<ul>\n<li>one</li>\n<li>two</li>\n</ul>', '• one\n• two'],
    ['a numbered list', '<p>Do:</p><ol><li>one<li>two</ol>then', 'Do:\n\n1. one\n2. two\nthen'],
    ['a heading', '<h2>News</h2><p>All well</p>', '*News*\n\nAll well'],
    ['a link', '<a href="https://erp.example/x?a=1&amp;b=2">Open</a>', 'Open (https://erp.example/x?a=1&b=2)'],
    ['a link that is its own text', "<a href='https://erp.example'>https://erp.example</a>", 'https://erp.example'],
    ['a telephone link', '<a href="tel:+255757123456">+255757123456</a>', '+255757123456'],
    ['a script link', '<a href="javascript:alert(1)">Click</a>', 'Click'],
    ['a table', '<table><tr><td>Item</td><td>Qty</td></tr><tr><td>A</td><td>2</td></tr></table>', 'Item Qty\n\nA 2'],
    ['a script', '<div>a</div><script>alert(1)</script><style>p{}</style>', 'a'],
    ['a comment', 'a<!-- hidden --><br>b', 'a\nb'],
    ['a long comment', `a<!--[if mso]>${'<p>x</p>'.repeat(1_000)}<![endif]--><br>b`, 'a\nb'],
    ['comments that are not closed', 'a<!-- <!-- b --><br>c <!-- d', 'a\nc <!-- d'],
    [
      'entities',
      '<p>Tom&nbsp;&amp;&nbsp;Ann &lt;3 &#8364;5 &#x41; &eacute; &bogus;</p>',
      'Tom & Ann <3 €5 A &eacute; &bogus;',
    ],
    ['entities without a tag', 'Tom &amp; Ann', 'Tom & Ann'],
    ['an escaped tag, once only', '&lt;b&gt;x&lt;/b&gt;', '<b>x</b>'],
    ['an unclosed tag', '<b>bold', '*bold*'],
    ['a closing tag without an opening one', 'a</b><br>c', 'a\nc'],
    ['bad nesting', '<b>a<i>b</b>c</i>', '*a_b_*c'],
    ['an editor’s HTML', '<div class="ql-editor read-mode"><p>Hi</p><p><br></p><p>Bye</p></div>', 'Hi\n\nBye'],
    ['a code point that is none', '<p>&#55296;&#99999999;&#0;</p>', '&#55296;&#99999999;&#0;'],
  ])('turns %s', (_name, html, expected) => {
    expect(toWhatsAppText(html)).toBe(expected);
  });

  it.each([
    ['opening brackets', '<'.repeat(65_536)],
    ['half tags', '<b '.repeat(21_845)],
    ['quotes', '<p "'.repeat(16_384)],
    ['comments', '<!--'.repeat(16_384) + '<p>'],
    ['deep nesting', '<b>'.repeat(21_845)],
    ['white space', `<p>${' \n'.repeat(32_000)}`],
    ['white space after tags', `<p>${'\n'.repeat(65_000)}x`],
    ['entities', '&#'.repeat(32_768)],
    ['closing tags', `${'<i>'.repeat(10_000)}${'</u>'.repeat(8_000)}`],
    ['lists', '<li>'.repeat(16_384)],
  ])('takes linear time over 64 KB of %s', (_name, text) => {
    expect(cpuMsOf(() => toWhatsAppText(text))).toBeLessThan(1_000);
  });
});

describe('priorityOf', () => {
  it.each([
    ['Your verification code is 123456', undefined, 'otp'],
    ['482913 is your OTP', undefined, 'otp'],
    ['Use the one-time password 4821 to log in', undefined, 'otp'],
    ['Acme: 482913', 300, 'otp'],
    ['Acme: 482913', 3600, 'interactive'],
    ['Acme: 482913', undefined, 'interactive'],
    ['Your verification code was changed', undefined, 'interactive'],
    ['Order 123456 is ready', undefined, 'interactive'],
    [`Order 123456 is ready. ${'x'.repeat(200)}`, 300, 'interactive'],
  ] as const)('sees in %j with ttl %s: %s', (text, ttlSeconds, name) => {
    expect(priorityOf({ text, ttlSeconds })).toBe(priorities[name]);
  });
});
