"""How a gateway is asked over HTTP, and what goes wrong then, in words for people.

Needs the standard library only, so that the same cases run against a stub here and against the gateway in its own tests.
"""

import contextlib
import functools
import http.client
import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from wap_bridge import __version__

MAX_ANSWER_BYTES = 32 * 1024 * 1024
# What may be asked again without harm, after so many seconds.
RETRY_DELAYS = (0.5, 2.0)
RETRY_STATUS = {429, 502, 503, 504}
MAX_RETRY_AFTER = 5.0

AWAY = {"unreachable", "timeout", "tls", "redirect", "not_json", "unauthenticated", "rate_limited", "unavailable"}


class GatewayError(Exception):
	"""The gateway could not be asked, or said no. The text holds no secrets and is fit to be shown."""

	def __init__(self, message, *, code, status=None, temporary=False, retry_after=None, details=None):
		super().__init__(message)
		self.message = message
		#: The gateway's own code (`invalid_number`, `instance_not_found` …), or one of `unreachable`, `timeout`, `tls`, `not_json`.
		self.code = code
		self.status = status
		#: Whether the same call may succeed later.
		self.temporary = temporary
		self.retry_after = retry_after
		self.details = details or {}

	@property
	def away(self):
		"""Whether the gateway would answer any other call the same way for now."""
		return self.code in AWAY


class Transport:
	"""Asks one address with one token."""

	def __init__(self, url, api_key, api_secret, *, timeout=30, sleep=time.sleep):
		parts = urlsplit((url or "").strip())
		if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
			raise GatewayError("The Gateway URL must look like https://gateway.example.com", code="not_configured")
		self.base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
		# An address with the API in it is a likely slip of the hand.
		self.base = re.sub(r"/api/method(?:/.*)?$", "", self.base)
		self.timeout = max(1, timeout or 30)
		self._authorization = f"token {(api_key or '').strip()}:{(api_secret or '').strip()}"
		self._secrets = [part for part in ((api_secret or "").strip(), self._authorization) if part]
		self._sleep = sleep
		self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=_tls_context()))

	def ask(self, path, params, *, key=None, again=True):
		"""Returns the object that is answered.

		With `again`, a call that may have been lost on the way is made again, so it must be harmless twice: by itself, or by a `key`.

		:raises GatewayError: for everything that is not a good answer.
		"""
		request = self._request(path, params, key)
		delays = list(RETRY_DELAYS) if again else []
		while True:
			try:
				return self._answer(request)
			except GatewayError as error:
				if not delays or not _worth_another_try(error):
					raise
				delay = delays.pop(0)
				if error.retry_after:
					delay = max(delay, error.retry_after)
			self._sleep(delay)

	def fetch(self, url, max_bytes):
		"""Returns the content and type of a file that a webhook named, from this gateway and nowhere else.

		Only path and query of the address count, so that a gateway with another public name is found too, and nobody else is.
		"""
		parts = urlsplit(url)
		base_path = urlsplit(self.base).path
		path = parts.path if not base_path or parts.path.startswith(base_path + "/") else base_path + parts.path
		origin = self.base[: len(self.base) - len(base_path)] if base_path else self.base
		if not path.startswith("/") or path.startswith("//"):
			raise GatewayError("The address of the file is not the gateway's", code="invalid_media")
		request = urllib.request.Request(
			f"{origin}{path}{'?' + parts.query if parts.query else ''}", headers={"User-Agent": _agent()}
		)
		with self._open(request) as response:
			data = _read(response, max_bytes)
			if data is None:
				raise GatewayError("The file is larger than allowed", code="too_large")
			return data, response.headers.get_content_type()

	def _request(self, path, params, key):
		headers = {
			"Authorization": self._authorization,
			"Content-Type": "application/json",
			"Accept": "application/json",
			"User-Agent": _agent(),
		}
		if key:
			headers["Idempotency-Key"] = key
		body = {name: value for name, value in params.items() if value is not None}
		return urllib.request.Request(
			self.base + path, method="POST", data=json.dumps(body, default=str).encode(), headers=headers
		)

	def _answer(self, request):
		with self._open(request) as response:
			body = _read(response, MAX_ANSWER_BYTES)
		answer = _json_object(body)
		if answer is None:
			raise strange(response.status)
		return answer

	def _open(self, request):
		"""Returns the open response; what went wrong is told without the request, which holds the credentials."""
		trouble = None
		try:
			return self._opener.open(request, timeout=self.timeout)
		except urllib.error.HTTPError as error:
			with error:
				trouble = self._refused(error)
		except (OSError, http.client.HTTPException, ValueError) as error:
			trouble = self._unreachable(error)
		raise trouble

	def _refused(self, error):
		"""Returns what the gateway's (or a proxy's) error says."""
		status = error.code
		body = None
		with contextlib.suppress(OSError, http.client.HTTPException):
			body = _json_object(_read(error, MAX_ANSWER_BYTES))
		if 300 <= status < 400:
			return GatewayError(
				"The gateway answers with a redirect: enter the address it points to as Gateway URL",
				code="redirect",
				status=status,
				temporary=True,
			)
		own = body if body and isinstance(body.get("message"), str) else None
		temporary = status in (401, 403, 408, 425, 429) or status >= 500 or own is None
		if own is None:
			message = _SENTENCES.get(status) or (
				"The gateway failed"
				if status >= 500
				else f"What answers at the Gateway URL is not a gateway (HTTP {status})"
			)
			code = _CODES.get(status) or ("server_error" if status >= 500 else "not_json")
		else:
			message = self._scrub(own["message"])[:500]
			code = own["code"] if isinstance(own.get("code"), str) else (_CODES.get(status) or "refused")
			if status in (401, 403):
				message = f"{_SENTENCES[status]} ({message})"
			if code == "not_supported":
				temporary = False
		return GatewayError(
			message,
			code=code,
			status=status,
			temporary=temporary,
			retry_after=_seconds(error.headers.get("Retry-After")),
			details={name: own[name] for name in ("fields", "choices", "invalid") if own and name in own},
		)

	def _unreachable(self, error):
		reason = error.reason if isinstance(error, urllib.error.URLError) else error
		if isinstance(reason, TimeoutError | socket.timeout):
			return GatewayError(
				f"The gateway did not answer within {self.timeout} seconds", code="timeout", temporary=True
			)
		if isinstance(reason, ssl.SSLError):
			return GatewayError(
				f"The gateway's certificate or TLS is not accepted: {self._scrub(str(reason))[:200]}",
				code="tls",
				temporary=True,
			)
		return GatewayError(
			f"The gateway at {self.base} cannot be reached: {self._scrub(str(reason) or type(reason).__name__)[:200]}",
			code="unreachable",
			temporary=True,
		)

	def _scrub(self, text):
		for secret in self._secrets:
			text = text.replace(secret, "…")
		return text


_SENTENCES = {
	401: "The gateway does not accept the API key and secret",
	403: "The API key may not do this on the gateway",
	404: "There is no gateway at the Gateway URL",
	413: "The message or file is larger than the gateway takes",
	429: "The gateway asks for fewer requests",
	503: "The gateway is not available at the moment",
}
_CODES = {401: "unauthenticated", 403: "forbidden", 413: "too_large", 429: "rate_limited", 503: "unavailable"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
	"""A redirected POST becomes a GET without a body: what it would answer is not about our call."""

	def redirect_request(self, *args, **kwargs):
		return None


@functools.cache
def _tls_context():
	"""Reading the certificates takes longer than a call."""
	context = ssl.create_default_context()
	with contextlib.suppress(ImportError, OSError):
		import certifi

		context.load_verify_locations(certifi.where())
	return context


def _agent():
	return f"wap_bridge/{__version__}"


def _read(response, max_bytes):
	"""Returns the body, None when it is larger."""
	data = response.read(max_bytes + 1)
	return data if len(data) <= max_bytes else None


def _json_object(body):
	try:
		answer = json.loads(body or b"")
	except (ValueError, RecursionError):
		return None
	return answer if isinstance(answer, dict) else None


def strange(status):
	return GatewayError(
		"What answers at the Gateway URL is not a gateway: it sent something else than JSON",
		code="not_json",
		status=status,
		temporary=True,
	)


def _seconds(value):
	return float(value) if value and value.isascii() and value.isdigit() and len(value) < 7 else None


def _worth_another_try(error):
	if error.code in ("unreachable", "timeout"):
		return error.code == "unreachable"
	return error.status in RETRY_STATUS and (error.retry_after or 0) <= MAX_RETRY_AFTER
