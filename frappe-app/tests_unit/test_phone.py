import unittest

from wap_bridge.wire import phone

try:
	import phonenumbers
except ImportError:
	phonenumbers = None

# One number in thirty formats, as forms, imports and people write it.
FORMATS = [
	"+255757123456",
	"+255 757 123 456",
	"+255-757-123-456",
	"+255-757123456",
	"+255 (0) 757 123 456",
	"+255(0)757123456",
	"(+255) 757 123 456",
	"00255757123456",
	"00 255 757 123456",
	"255757123456",
	"255 757 123 456",
	"0757123456",
	"0757 123 456",
	"0757-123-456",
	"(0757) 123456",
	"(0)757 123 456",
	"0757.123.456",
	"0757_123_456",
	"757123456",
	"757 123 456",
	"tel:+255757123456",
	"tel:+255-757-123-456",
	"Mobile: 0757 123 456",
	"whatsapp:+255757123456",
	"https://wa.me/255757123456",
	"+255757123456 ext. 12",
	"+255757123456;ext=12",
	"\u202a+255 757 123 456\u202c",
	"+255\u00a0757\u2011123\u2011456",
	"٠٧٥٧ ١٢٣ ٤٥٦",
	"＋２５５７５７１２３４５６",
	"०७५७१२३४५६",
	"255757123456@c.us",
	"255757123456:12@s.whatsapp.net",
]
NOT_NUMBERS = [
	"",
	"   ",
	"Asha",
	"12",
	"123456",
	"+1234567890123456",
	"a@example.com",
	"0757 CALL ME",
	"None",
	"-",
	"<b>0757123456</b>",
]


class Clean(unittest.TestCase):
	def test_leaves_digits_with_a_plus_only_where_the_country_is_in_them(self):
		for text in FORMATS[:-2]:
			with self.subTest(text):
				self.assertRegex(phone.clean(text), r"^(\+255757123456|255757123456|0757123456|757123456)$")

	def test_refuses_what_is_no_number_and_says_which(self):
		for text in NOT_NUMBERS:
			with self.subTest(text), self.assertRaises(phone.InvalidNumber):
				phone.clean(text)
		with self.assertRaisesRegex(phone.InvalidNumber, "Asha is not a phone number"):
			phone.clean("Asha")

	def test_splits_fields_that_hold_several(self):
		self.assertEqual(phone.split("0757123456, 0757999888;+255 1\n2"), ["0757123456", "0757999888", "+255 1", "2"])
		self.assertEqual(phone.split("0757123456/0757999888"), ["0757123456", "0757999888"])
		self.assertEqual(phone.split(None), [])

	def test_keeps_addresses_of_whatsapp(self):
		self.assertEqual(phone.jid(" 120363041234567890@G.us "), "120363041234567890@g.us")
		self.assertTrue(phone.is_group("120363041234567890@g.us"))
		self.assertIsNone(phone.jid("asha@example.com"))


@unittest.skipUnless(phonenumbers, "phonenumbers comes with Frappe")
class ToE164(unittest.TestCase):
	def test_reads_one_number_in_all_formats(self):
		for text in FORMATS:
			with self.subTest(text):
				self.assertEqual(phone.to_e164(text, "TZ"), "+255757123456")

	def test_needs_a_country_for_local_numbers(self):
		self.assertEqual(phone.to_e164("255757123456"), "+255757123456")
		with self.assertRaises(phone.InvalidNumber):
			phone.to_e164("0757123456")

	def test_prefers_the_country_over_a_foreign_reading(self):
		self.assertEqual(phone.to_e164("(415) 555-2671", "US"), "+14155552671")
		self.assertEqual(phone.to_e164("91 98765 43210", "IN"), "+919876543210")
		self.assertEqual(phone.to_e164("9876543210", "IN"), "+919876543210")
		# Italian numbers keep their zero.
		self.assertEqual(phone.to_e164("06 1234 5678", "IT"), "+390612345678")


if __name__ == "__main__":
	unittest.main()
