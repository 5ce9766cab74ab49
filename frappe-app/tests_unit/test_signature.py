import base64
import hashlib
import hmac
import unittest

from wap_bridge.wire.signature import SignatureError, sign, verify

BODY = b'{"message": {"body": "Sawa"}}'
NOW = 1_767_791_640


class Headers(dict):
	"""Finds names in any case, as werkzeug's."""

	def get(self, name, default=None):
		return next((value for key, value in self.items() if key.lower() == name.lower()), default)


def headers(secret="s3cret", signed_with=None, at=NOW, body=BODY, **more):
	found = {"X-Wapbridge-Secret": secret}
	if signed_with is not None:
		stamp = str(at)
		found |= {
			"webhook-id": "msg_1",
			"webhook-timestamp": stamp,
			"webhook-signature": " ".join(sign(key, "msg_1", stamp, body) for key in signed_with),
		}
	return Headers({**found, **more})


def check(given, secrets=("s3cret",), body=BODY, now=NOW):
	return verify(secrets=secrets, headers=given, body=body, now=now)


class Verify(unittest.TestCase):
	def refuses(self, given, text, **options):
		with self.assertRaisesRegex(SignatureError, text):
			check(given, **options)

	def test_takes_the_secret_alone_as_the_source_shows_it(self):
		self.assertEqual(check(headers()), "")

	def test_takes_secret_and_signature_and_tells_the_id(self):
		self.assertEqual(check(headers(signed_with=["s3cret"])), "msg_1")

	def test_signs_as_standard_webhooks_says(self):
		mine = (
			"v1," + base64.b64encode(hmac.new(b"s3cret", b"msg_1.1767791640." + BODY, hashlib.sha256).digest()).decode()
		)
		self.assertEqual(sign("s3cret", "msg_1", str(NOW), BODY), mine)
		encoded = "whsec_" + base64.b64encode(b"s3cret").decode()
		self.assertEqual(sign(encoded, "msg_1", str(NOW), BODY), mine)

	def test_takes_one_good_signature_among_several(self):
		self.assertEqual(check(headers(signed_with=["old", "s3cret"])), "msg_1")

	def test_refuses_without_a_secret_configured(self):
		self.refuses(headers(""), "No webhook secret", secrets=("", None))

	def test_refuses_wrong_missing_and_strange_secrets(self):
		for given in ("", "S3cret", "s3cret ", "sécret", "x" * 10_000):
			with self.subTest(given[:10]):
				self.refuses(headers(given), "missing or wrong")
		self.refuses(Headers(), "missing or wrong")

	def test_takes_the_previous_secret_too(self):
		self.assertEqual(check(headers("old", signed_with=["old"]), secrets=("new", "old")), "msg_1")

	def test_refuses_another_body(self):
		self.refuses(headers(signed_with=["s3cret"]), "does not match", body=BODY + b" ")

	def test_refuses_a_signature_by_another_secret(self):
		self.refuses(headers(signed_with=["other"]), "does not match")

	def test_refuses_half_a_signature(self):
		self.refuses(headers(**{"webhook-id": "msg_1"}), "incomplete")
		self.refuses(headers(**{"webhook-signature": "v1,x"}), "incomplete")

	def test_refuses_what_is_old_or_from_the_future(self):
		self.refuses(headers(signed_with=["s3cret"], at=NOW - 301), "too old")
		self.refuses(headers(signed_with=["s3cret"], at=NOW + 301), "too old")
		self.assertEqual(check(headers(signed_with=["s3cret"], at=NOW - 299)), "msg_1")
		self.refuses(headers(signed_with=["s3cret"], **{"webhook-timestamp": "²"}), "too old")


if __name__ == "__main__":
	unittest.main()
