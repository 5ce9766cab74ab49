"""Where the gateway posts its events to."""

import time

import frappe

from wap_bridge import connection, webhook_events
from wap_bridge.wire import payload as wire
from wap_bridge.wire.signature import SignatureError, verify

# An hour in which a replaced secret is taken too: the gateway may be on its way with it.
PREVIOUS_SECRET_SECONDS = 3600
REFUSALS_A_MINUTE = 30


@frappe.whitelist(allow_guest=True, methods=["POST"], xss_safe=True)
def receive() -> dict:
	"""Takes one event. 2xx only when it is stored or known; anything else makes the gateway try again."""
	body = frappe.request.get_data()
	if not connection.is_enabled():
		return _answer(503, error="WapBridge is switched off on this site")
	try:
		webhook_id = verify(secrets=_secrets(), headers=frappe.request.headers, body=body, now=time.time())
	except SignatureError as error:
		return _refuse(str(error))
	try:
		payload = wire.parse_body(body)
		event = wire.event_of(payload)
		outcome = _as_administrator(webhook_events.handle, event, payload, webhook_id)
	except wire.MalformedPayload as error:
		frappe.db.rollback()
		return _answer(417, error=str(error))
	except webhook_events.UnknownInstance:
		frappe.db.rollback()
		_ask_for_instances()
		return _answer(404, error="This site does not know the instance")
	except Exception:
		frappe.db.rollback()
		_write_failure(body, webhook_id)
		return _answer(500, error="The event could not be processed")
	return _answer(
		200,
		**({"duplicate": True} if outcome == "duplicate" else {}),
		**({"ignored": True} if outcome == "ignored" else {}),
	)


def _as_administrator(function, *args):
	"""What is written belongs to the system, not to the guest who has shown the secret."""
	user = frappe.session.user
	frappe.set_user("Administrator")
	try:
		return function(*args)
	finally:
		frappe.set_user(user)


def _answer(status: int, **fields) -> dict:
	frappe.local.response["http_status_code"] = status
	return {"ok": status == 200, **fields}


def _secrets() -> list[str]:
	settings = connection.settings()
	secrets = [settings.get_password("webhook_secret", raise_exception=False)]
	rotated = settings.webhook_secret_rotated_on
	if rotated and frappe.utils.time_diff_in_seconds(frappe.utils.now_datetime(), rotated) < PREVIOUS_SECRET_SECONDS:
		secrets.append(settings.get_password("webhook_secret_previous", raise_exception=False))
	return [secret for secret in secrets if secret]


def _refuse(error: str) -> dict:
	"""Answers whoever is not the gateway; who tries much is told to stop, without a look at what is sent."""
	key = f"wapbridge-refused:{frappe.local.request_ip}"
	count = 0
	try:
		cache_key = frappe.cache.make_key(key)
		count = frappe.cache.incrby(cache_key, 1)
		if count == 1:
			frappe.cache.expire(cache_key, 60)
	except Exception:
		# Without Redis nobody is counted, and nobody is let in.
		frappe.logger("wap_bridge").warning("refused webhooks are not counted")
	return _answer(429 if count > REFUSALS_A_MINUTE else 401, error=error)


def _ask_for_instances():
	"""An instance that was made elsewhere a moment ago is known at the gateway's next try."""
	try:
		frappe.enqueue("wap_bridge.tasks.sync_instances", queue="short", job_id="wapbridge-instances", deduplicate=True)
	except Exception:
		frappe.logger("wap_bridge").warning("no queue for the look at the instances")


def _write_failure(body: bytes, webhook_id: str):
	"""Keeps what failed, and why, beside the transaction that was rolled back."""
	try:
		error = frappe.log_error(title="WapBridge: a webhook could not be processed")
		payload = _without_file(wire.parse_body(body))
		name = frappe.db.get_value("WapBridge Webhook Event", {"webhook_id": webhook_id}) if webhook_id else None
		doc = frappe.get_doc("WapBridge Webhook Event", name) if name else frappe.new_doc("WapBridge Webhook Event")
		message = payload.get("message")
		doc.update(
			{
				"event": wire.event_of(payload),
				"status": "Failed",
				"webhook_id": webhook_id or None,
				"instance": wire.text(payload.get("instance_id"), 140),
				"message_id": wire.text(message.get("id"), 140) if isinstance(message, dict) else None,
				"attempts": (doc.attempts or 0) + 1,
				"error": f"Error Log {error.name}" if error else None,
				"payload": frappe.as_json(payload),
			}
		)
		doc.save(ignore_permissions=True)
		frappe.db.commit()
	except Exception:
		frappe.db.rollback()


def _without_file(payload: dict) -> dict:
	message = payload.get("message")
	media = message.get("media") if isinstance(message, dict) else None
	if isinstance(media, dict) and media.get("data"):
		media["data"] = "…"
	return payload
