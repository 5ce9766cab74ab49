import unittest

from wap_bridge.wire.markup import to_whatsapp

CASES = {
	"plain text, two\nlines": "plain text, two\nlines",
	"a < b & c > d <ann@example.com>": "a < b & c > d <ann@example.com>",
	"Tom &amp; Jerry&nbsp;": "Tom & Jerry",
	"<p>Dear <b>Asha</b>,</p><p>thanks.</p>": "Dear *Asha*,\n\nthanks.",
	"one<br>two<br/>three": "one\ntwo\nthree",
	"<strong> spaced </strong>word": "*spaced* word",
	"<em>i</em> <s>s</s> <del>d</del> <code>c</code>": "_i_ ~s~ ~d~ `c`",
	"<h3>Order <b>over</b>due</h3>text": "*Order overdue*\ntext",
	"<b></b><p>x</p>": "x",
	"<b>two<br>lines</b>": "*two*\n*lines*",
	'<a href="https://x.example/pay?a=1&amp;b=2">Pay</a>': "Pay (https://x.example/pay?a=1&b=2)",
	'<a href="https://x.example">https://x.example</a>': "https://x.example",
	'<a href="javascript:alert(1)">click</a>': "click",
	'<a href="mailto:a@example.com">write</a>': "write (a@example.com)",
	"<ul><li>one</li><li>two</li></ul>": "- one\n- two",
	"<ol><li>one</li><li>two</li></ol>": "1. one\n2. two",
	"<table><tr><td>Rice</td><td>2 kg</td></tr><tr><td>Oil</td><td>1 l</td></tr></table>": "Rice  2 kg\nOil  1 l",
	"<pre>a  b\nc</pre>": "```\na  b\nc\n```",
	"<div>x<script>alert(1)</script></div>": "x",
	"<p>unclosed <b>bold": "unclosed bold",
	"": "",
}


class ToWhatsApp(unittest.TestCase):
	def test_turns_html_into_markup_and_leaves_text_alone(self):
		for html, text in CASES.items():
			with self.subTest(html):
				self.assertEqual(to_whatsapp(html), text)

	def test_takes_long_and_broken_html_in_no_time(self):
		self.assertEqual(len(to_whatsapp("<p>" + "<b>x" * 20_000)), 20_000)
		self.assertIsInstance(to_whatsapp("<p " * 20_000), str)


if __name__ == "__main__":
	unittest.main()
