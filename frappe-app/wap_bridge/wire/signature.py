"""Tells whether a webhook comes from the gateway: its secret, and the Standard Webhooks signature over the raw body."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping

SECRET_HEADER = "X-Wapbridge-Secret"
TOLERANCE_SECONDS = 300


class SignatureError(Exception):
	"""The webhook is not from the gateway, or is too old. The text is safe to show."""


def verify(*, secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: float) -> str:
	"""Returns the `webhook-id` (or an empty text) of a webhook that one of the secrets vouches for.

	The secret header is mandatory (seed 004). Once any Standard Webhooks header is there, all three must be, and must hold.
	`headers` must find names in any case, as werkzeug's do.

	:raises SignatureError: when nothing vouches for it, in constant time for each secret.
	"""
	known = [secret for secret in secrets if secret]
	if not known:
		raise SignatureError("No webhook secret is configured")
	given = (headers.get(SECRET_HEADER) or "").encode()
	matching = [secret for secret in known if hmac.compare_digest(secret.encode(), given)]
	if not matching:
		raise SignatureError("The secret is missing or wrong")

	webhook_id = headers.get("webhook-id") or ""
	timestamp = headers.get("webhook-timestamp") or ""
	signatures = headers.get("webhook-signature") or ""
	if not (webhook_id or timestamp or signatures):
		return ""
	if not (webhook_id and timestamp and signatures):
		raise SignatureError("The signature is incomplete")
	if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp[:15])) > TOLERANCE_SECONDS:
		raise SignatureError("The signature is too old, or the clocks differ")
	expected = [sign(secret, webhook_id, timestamp, body).encode() for secret in known]
	given_signatures = [part.encode() for part in signatures.split(" ")[:16]]
	holds = [hmac.compare_digest(mine, theirs) for mine in expected for theirs in given_signatures]
	if not any(holds):
		raise SignatureError("The signature does not match the body")
	return webhook_id


def sign(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
	"""Returns the `v1` signature: HMAC-SHA256 of `id.timestamp.body`; a `whsec_` secret is base64, any other is taken as it is."""
	key = secret.encode()
	if secret.startswith("whsec_"):
		try:
			key = base64.b64decode(secret[len("whsec_") :], validate=True)
		except binascii.Error:
			raise SignatureError("The webhook secret is not valid") from None
	content = f"{webhook_id}.{timestamp}.".encode() + body
	return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
