import json
import unittest
from datetime import datetime, timezone
from pathlib import Path

from wap_bridge.wire import payload as wire

# The source's own example, to the letter.
SOURCE = {
	"instance_id": "INST-01-0000142",
	"customer": "CUST-0143",
	"phone_number": "255757197676",
	"message": {
		"id": "false_120542636048510@lid_A586DC71E697153420998E09871EA237",
		"from": "120542636048510@lid",
		"to": "255757197676@c.us",
		"body": "Sawa",
		"fromMe": False,
		"timestamp": 1767791640,
		"type": "image",
		"hasMedia": True,
		"caption": "Sawa",
		"media": {"mimetype": "image/jpeg", "filename": "photo.jpg", "data": "<base64>"},
	},
}


def with_message(**changes):
	return {**SOURCE, "message": {**SOURCE["message"], **changes}}


class Inbound(unittest.TestCase):
	def test_reads_the_sources_own_body(self):
		self.assertEqual(wire.event_of(SOURCE), "message.received")
		message = wire.inbound(SOURCE)
		self.assertEqual(message.chat_id, "120542636048510@lid")
		self.assertEqual(message.sender_lid, "120542636048510@lid")
		self.assertIsNone(message.sender_phone, "the numbers in it are the instance's own")
		self.assertEqual(message.text, "Sawa")
		self.assertEqual(message.happened_at, datetime.fromtimestamp(1767791640, timezone.utc))
		self.assertEqual((message.media.filename, message.media.mime_type), ("photo.jpg", "image/jpeg"))

	def test_takes_the_sender_from_sender_phone_only(self):
		message = wire.inbound({**SOURCE, "sender_phone": "255757123456", "sender_name": " Asha  <b>B</b> "})
		self.assertEqual(message.sender_phone, "+255757123456")
		self.assertEqual(message.sender_name, "Asha ‹b›B‹/b›")

	def test_takes_the_sender_from_an_address_that_is_a_number(self):
		self.assertEqual(wire.inbound(with_message(**{"from": "255757123456@c.us"})).sender_phone, "+255757123456")

	def test_tells_who_wrote_in_a_group(self):
		body = with_message(**{"from": "120363041234567890@g.us", "author": "255757123456@c.us"})
		message = wire.inbound({**body, "chat_id": "120363041234567890@g.us", "is_group": True})
		self.assertTrue(message.is_group)
		self.assertEqual(message.sender_phone, "+255757123456")

	def test_puts_what_the_phone_wrote_to_whom_it_was_written(self):
		body = with_message(fromMe=True, **{"from": "255757197676@c.us", "to": "255757123456@c.us"})
		message = wire.inbound({**body, "chat_id": "255757123456@c.us", "sender_phone": "255757197676"})
		self.assertTrue(message.from_me)
		self.assertEqual(message.sender_phone, "+255757123456")

	def test_keeps_only_texts_that_are_texts(self):
		message = wire.inbound(with_message(body=["x"], caption={"a": 1}, type=5, timestamp="soon"))
		self.assertEqual((message.text, message.type), ("", "chat"))
		self.assertEqual(wire.inbound(with_message(caption="a\x00b\ud800")).text, "ab?")
		self.assertEqual(len(wire.inbound(with_message(caption="x" * 100_000)).text), wire.MAX_TEXT)

	def test_needs_a_message_with_an_id(self):
		for body in ({**SOURCE, "message": None}, {**SOURCE, "message": []}, with_message(id=""), with_message(id=7)):
			with self.assertRaises(wire.MalformedPayload):
				wire.inbound(body)

	def test_says_why_there_is_no_file(self):
		message = wire.inbound(with_message(media=None, media_error="too large"))
		self.assertEqual(message.media.error, "too large")
		self.assertIsNone(wire.inbound(with_message(hasMedia=False)).media)

	def test_never_dates_a_message_into_the_future(self):
		for value in (4e12, -1e20, float("inf"), float("nan"), None, True, "2999-01-01T00:00:00Z"):
			with self.subTest(value):
				self.assertLessEqual(wire.moment(value), datetime.now(timezone.utc))
		self.assertEqual(wire.moment("2026-01-07T13:14:00.123Z").isoformat(), "2026-01-07T13:14:00.123000+00:00")


class Body(unittest.TestCase):
	def test_refuses_what_is_no_object(self):
		for body in (b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000):
			with self.subTest(body[:5]), self.assertRaises(wire.MalformedPayload):
				wire.parse_body(body)
		self.assertEqual(wire.parse_body(json.dumps(SOURCE).encode()), SOURCE)


class DedupeKey(unittest.TestCase):
	def test_is_unique_for_instance_and_message_and_fits_its_column(self):
		self.assertEqual(wire.dedupe_key("INST-01-0000142", "false_1@lid_A"), "INST-01-0000142:false_1@lid_A")
		long = {wire.dedupe_key("INST-01-0000142", "x" * 200 + str(index)) for index in range(3)}
		self.assertEqual(len(long), 3)
		self.assertLessEqual(max(map(len, long)), 140)


class Digits(unittest.TestCase):
	def test_takes_numbers_and_nothing_else(self):
		self.assertEqual(wire.digits("+255757123456"), "255757123456")
		self.assertEqual(wire.digits(255757123456), "255757123456")
		for value in (None, True, "", "abc", "1" * 30, "²²²²²²", ["1"], 1.5):
			self.assertEqual(wire.digits(value), "", value)


class NoFrappe(unittest.TestCase):
	def test_the_wire_needs_the_standard_library_only(self):
		folder = Path(wire.__file__).parent
		for file in [*folder.glob("*.py"), folder.parent / "gateway.py", folder.parent / "tests" / "stub.py"]:
			self.assertNotRegex(file.read_text(), r"(?m)^\s*(import|from) frappe\b", file.name)


if __name__ == "__main__":
	unittest.main()
