"""A gateway for tests: answers over real HTTP what it is told to, and remembers what it was asked. Standard library only."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = "/api/method/wap_bridge.api."


class Request:
	"""What was asked."""

	def __init__(self, method, path, headers, body):
		self.method = method
		self.path = path
		self.headers = headers
		self.body = body
		#: `whatsapp.send_api_message` and the like.
		self.call = path.removeprefix(API)

	@property
	def json(self):
		return json.loads(self.body or b"{}")


class StubGateway:
	"""Serves on a free port of the loopback. `answers` maps a call to an answer, or to a function from the request to one.

	An answer is an object (200), `(status, object)`, or `(status, bytes, headers)`; None hangs up, a number waits so many seconds first.
	"""

	def __init__(self):
		self.answers = {}
		self.requests = []
		self.sent = {}
		self.lock = threading.Lock()
		self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
		self.server.daemon_threads = True
		self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
		self.thread.start()
		self.url = f"http://127.0.0.1:{self.server.server_port}"

	def close(self):
		self.server.shutdown()
		self.server.server_close()

	def __enter__(self):
		return self

	def __exit__(self, *error):
		self.close()

	def calls(self, call):
		"""Returns the requests of one call, the oldest first."""
		return [request for request in self.requests if request.call == call]

	def answer(self, request):
		with self.lock:
			self.requests.append(request)
			answer = self.answers.get(request.call, self.answers.get("*", self.usual))
		if callable(answer):
			answer = answer(request)
		return answer

	def usual(self, request):
		"""What a healthy gateway would answer, so that a test only names what is different."""
		if request.call == "whatsapp.send_api_message":
			key = request.headers.get("Idempotency-Key") or str(len(self.sent))
			with self.lock:
				number = self.sent.setdefault(key, len(self.sent) + 1)
			to = request.json["to_number"].lstrip("+")
			chat = to if "@" in to else f"{to}@c.us"
			return {"ok": True, "service": {"ok": True, "id": f"true_{chat}_3EB0{number:018X}"}, "status": "queued"}
		if request.call == "instances.list_instances":
			return {"ok": True, "instances": []}
		if request.path == "/api/method/frappe.auth.get_logged_user":
			return {"message": "CUST-0143"}
		if request.path == "/api/method/version":
			return {"message": "0.1.0"}
		return {"ok": True}


def refusal(status, code, message, exc_type="ValidationError"):
	"""Returns an error in the gateway's envelope."""
	return status, {"ok": False, "exc_type": exc_type, "message": message, "code": code}


def _handler(stub):
	class Handler(BaseHTTPRequestHandler):
		protocol_version = "HTTP/1.1"

		def do_POST(self):
			length = int(self.headers.get("Content-Length") or 0)
			request = Request(self.command, self.path, self.headers, self.rfile.read(length))
			answer = stub.answer(request)
			if isinstance(answer, int | float):
				time.sleep(answer)
				answer = stub.usual(request)
			if answer is None:
				self.close_connection = True
				return
			status, body, headers = 200, answer, {}
			if isinstance(answer, tuple):
				status, body, *rest = answer
				headers = rest[0] if rest else {}
			if not isinstance(body, bytes):
				body = json.dumps(body).encode()
			self.send_response(status)
			for name, value in {
				"Content-Type": "application/json",
				**headers,
				"Content-Length": str(len(body)),
			}.items():
				self.send_header(name, value)
			try:
				self.end_headers()
				self.wfile.write(body)
			except OSError:
				# Who asked has given up waiting, as some tests want.
				self.close_connection = True

		do_GET = do_POST

		def log_message(self, *args):
			pass

	return Handler
