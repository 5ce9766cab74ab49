"""What the client makes of gateways that are down, slow, wrong, or no gateways at all."""

import json
import socket
import threading
import time
import traceback
import unittest

from wap_bridge.gateway import Gateway
from wap_bridge.tests.stub import StubGateway, refusal
from wap_bridge.transport import GatewayError

SECRET = "very-secret-0123456789"
HTML = b"<html><body>Bad Gateway</body></html>"


class Client(unittest.TestCase):
	def setUp(self):
		self.stub = StubGateway()
		self.addCleanup(self.stub.close)
		self.slept = []
		self.gateway = self.client()

	def client(self, url=None, timeout=2):
		return Gateway(url or self.stub.url, "key", SECRET, timeout=timeout, sleep=self.slept.append)

	def fails(self, gateway=None, call=lambda gateway: gateway.list_instances()):
		with self.assertRaises(GatewayError) as caught:
			call(gateway or self.gateway)
		error = caught.exception
		shown = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
		self.assertNotIn(SECRET, shown)
		self.assertIsNone(error.__context__, "the cause holds the request, and the request the credentials")
		return error


class Trouble(Client):
	def test_says_that_a_gateway_is_down_and_that_it_may_come_back(self):
		with socket.socket() as taken:
			taken.bind(("127.0.0.1", 0))
			url = f"http://127.0.0.1:{taken.getsockname()[1]}"
		error = self.fails(self.client(url))
		self.assertEqual((error.code, error.temporary), ("unreachable", True))
		self.assertIn("cannot be reached", error.message)
		self.assertEqual(self.slept, [0.5, 2.0], "a call that is safe to repeat is repeated")

	def test_says_that_a_name_is_unknown(self):
		self.assertEqual(self.fails(self.client("http://gateway.invalid")).code, "unreachable")

	def test_gives_up_on_a_slow_gateway_in_time(self):
		self.stub.answers = {"*": 5}
		began = time.monotonic()
		error = self.fails(self.client(timeout=1))
		self.assertLess(time.monotonic() - began, 3)
		self.assertEqual((error.code, error.temporary), ("timeout", True))
		self.assertEqual(len(self.stub.requests), 1, "nobody waits twice")

	def test_asks_again_after_a_lost_connection(self):
		answers = iter([None, None, {"ok": True, "instances": []}])
		self.stub.answers = {"*": lambda request: next(answers)}
		self.assertEqual(self.gateway.list_instances(), [])
		self.assertEqual(len(self.stub.requests), 3)

	def test_asks_again_with_the_same_key_and_never_without_one(self):
		answers = iter([(503, HTML), {"ok": True, "service": {"ok": True, "id": "true_1"}, "status": "queued"}])
		self.stub.answers = {"*": lambda request: next(answers)}
		self.gateway.send(key="MSG-1", to_number="+255757123456", message="Hi")
		self.assertEqual({request.headers["Idempotency-Key"] for request in self.stub.requests}, {"MSG-1"})
		self.assertEqual(len({request.body for request in self.stub.requests}), 1)
		self.stub.requests.clear()
		self.stub.answers = {"*": (503, HTML)}
		self.fails(call=lambda gateway: gateway.create_instance(title="x"))
		self.assertEqual(len(self.stub.requests), 1)

	def test_names_what_each_status_means(self):
		cases = [
			(refusal(401, "unauthenticated", "The credentials are not valid"), "unauthenticated", True),
			(refusal(403, "forbidden", "This is not permitted"), "forbidden", True),
			(refusal(404, "not_found", "There is no campaign X"), "not_found", False),
			(refusal(417, "invalid_number", "123 is not a phone number"), "invalid_number", False),
			(refusal(409, "idempotency_conflict", "used with another request"), "idempotency_conflict", False),
			(refusal(413, "too_large", "The request is too large"), "too_large", False),
			(refusal(429, "rate_limited", "Too many requests"), "rate_limited", True),
			(refusal(500, "internal_error", "Internal error"), "internal_error", True),
			(refusal(500, "outcome_unknown", "It is not known whether it goes out"), "outcome_unknown", True),
			(refusal(501, "not_supported", "WhatsApp Web does not offer this"), "not_supported", False),
			(refusal(503, "unavailable", "The gateway is not available"), "unavailable", True),
			((502, HTML), "server_error", True),
			((500, b""), "server_error", True),
			((404, HTML), "not_json", True),
			((413, HTML), "too_large", True),
			((200, HTML), "not_json", True),
			((200, b"[1]"), "not_json", True),
			((200, b"\xff\xfe"), "not_json", True),
			((301, b"", {"Location": "https://elsewhere.example/"}), "redirect", True),
			((308, b"", {"Location": "https://elsewhere.example/"}), "redirect", True),
		]
		for answer, code, temporary in cases:
			with self.subTest(f"{answer[0]} {code}"):
				self.stub.answers = {"*": answer}
				error = self.fails()
				self.assertEqual((error.code, error.temporary), (code, temporary))
				self.assertNotIn("<html", error.message)

	def test_shows_the_gateways_sentence(self):
		self.stub.answers = {"*": refusal(417, "invalid_number", "0757 is not a phone number")}
		self.assertEqual(self.fails().message, "0757 is not a phone number")

	def test_shows_no_secret_that_a_gateway_repeats(self):
		self.stub.answers = {"*": refusal(417, "invalid_input", f"bad header token key:{SECRET}")}
		self.assertNotIn(SECRET, self.fails().message)

	def test_waits_as_long_as_it_is_told_but_not_for_minutes(self):
		limited = refusal(429, "rate_limited", "Too many requests")
		self.stub.answers = {"*": (*limited, {"Retry-After": "3"})}
		error = self.fails()
		self.assertEqual((self.slept, error.retry_after), ([3.0, 3.0], 3.0))
		self.slept.clear()
		self.stub.answers = {"*": (*limited, {"Retry-After": "120"})}
		self.assertEqual(self.fails().retry_after, 120.0)
		self.assertEqual(self.slept, [])

	def test_takes_no_answer_of_another_shape_for_a_sent_message(self):
		for body in (
			{"ok": True},
			{"ok": True, "service": []},
			{"ok": True, "service": {"id": 5}},
			{"message": "pong"},
		):
			with self.subTest(body):
				self.stub.answers = {"*": body}
				error = self.fails(call=lambda gateway: gateway.send(key="k", to_number="1", message="x"))
				self.assertTrue(error.temporary)

	def test_reads_no_endless_answer(self):
		with socket.socket() as server:
			server.bind(("127.0.0.1", 0))
			server.listen()

			def drip():
				connection, _address = server.accept()
				with connection:
					connection.recv(65536)
					connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
					try:
						while True:
							connection.sendall(b"x" * 1_000_000)
					except OSError:
						return

			threading.Thread(target=drip, daemon=True).start()
			error = self.fails(self.client(f"http://127.0.0.1:{server.getsockname()[1]}"))
			self.assertEqual(error.code, "not_json")


class Address(Client):
	def test_takes_addresses_as_people_paste_them(self):
		cases = {
			"https://gateway.example.com": "https://gateway.example.com",
			" https://gateway.example.com/ ": "https://gateway.example.com",
			"http://10.0.0.5:8080": "http://10.0.0.5:8080",
			"https://example.com/wa/": "https://example.com/wa",
			"https://example.com/api/method/wap_bridge.api.whatsapp.send_api_message": "https://example.com",
			"https://example.com/wa/api/method": "https://example.com/wa",
		}
		for given, base in cases.items():
			with self.subTest(given):
				self.assertEqual(Gateway(given, "k", "s").base, base)

	def test_refuses_what_is_no_address(self):
		for given in (
			"",
			None,
			"gateway.example.com",
			"ftp://x",
			"file:///etc/passwd",
			"https://",
			"https://user:pass@x.example",
		):
			with self.subTest(given), self.assertRaises(GatewayError) as caught:
				Gateway(given, "k", "s")
			self.assertEqual(caught.exception.code, "not_configured")

	def test_shows_no_credentials_of_its_own(self):
		self.assertEqual(repr(self.gateway), f"<Gateway {self.stub.url}>")


class Media(Client):
	def test_fetches_a_file_by_path_and_query_only(self):
		self.stub.answers = {"*": lambda request: (200, b"PNG", {"Content-Type": "image/png"})}
		data, mime_type = self.gateway.fetch_media("https://public.example/media/1?sig=abc", 100)
		self.assertEqual((data, mime_type), (b"PNG", "image/png"))
		request = self.stub.requests[0]
		self.assertEqual((request.method, request.path), ("GET", "/media/1?sig=abc"))
		self.assertNotIn("Authorization", request.headers)

	def test_goes_nowhere_else(self):
		for url in (
			"//evil.example/x",
			"https://evil.example//evil2.example/x",
			"file:///etc/passwd?x",
			"gopher://x/1",
			"",
		):
			with self.subTest(url):
				self.stub.requests.clear()
				try:
					self.gateway.fetch_media(url, 100)
				except GatewayError as error:
					self.assertEqual(error.code, "invalid_media")
				self.assertTrue(all(request.path.startswith("/") for request in self.stub.requests))

	def test_stays_under_a_path_that_a_proxy_has_put_in_front(self):
		gateway = self.client(self.stub.url + "/wa")
		self.stub.answers = {"*": lambda request: (200, b"x", {})}
		gateway.fetch_media("https://public.example/wa/media/1", 100)
		gateway.fetch_media("http://inner:8080/media/2", 100)
		self.assertEqual([request.path for request in self.stub.requests], ["/wa/media/1", "/wa/media/2"])

	def test_stops_at_what_is_too_large(self):
		self.stub.answers = {"*": lambda request: (200, b"x" * 101, {})}
		with self.assertRaises(GatewayError) as caught:
			self.gateway.fetch_media("/media/1", 100)
		self.assertEqual(caught.exception.code, "too_large")


class Body(Client):
	def test_sends_no_fields_that_are_none(self):
		self.gateway.campaign("campaign_recipients", "WAP-CAM-0001", after=None, limit=10)
		self.assertEqual(json.loads(self.stub.requests[0].body), {"campaign": "WAP-CAM-0001", "limit": 10})

	def test_reads_answers_that_have_everything_under_message(self):
		self.stub.answers = {"*": {"message": {"ok": True, "instances": [{"instance_id": "INST-1"}, {"x": 1}, 5]}}}
		self.assertEqual(self.gateway.list_instances(), [{"instance_id": "INST-1"}])


if __name__ == "__main__":
	unittest.main()
