"""What each event of the gateway does here: a table from its name to a function."""

import frappe
from frappe import _
from frappe.utils import now_datetime

from wap_bridge import connection, directory, inbox, notify, statuses
from wap_bridge.wire import payload as wire
from wap_bridge.wire import states


def handle(event: str, body: dict, webhook_id: str) -> str:
	"""Does what an event asks for; returns `processed`, `duplicate` or `ignored`. Anything raised is tried again by the gateway.

	:raises wire.MalformedPayload: for a body that will never do.
	:raises UnknownInstance: for an instance that this site has not heard of.
	"""
	handler = HANDLERS.get(event)
	return handler(body, webhook_id) or "processed" if handler else "ignored"


class UnknownInstance(Exception):
	"""The event is about an instance that this site does not know."""


def _known_instance(body: dict) -> str:
	instance = wire.text(body.get("instance_id"), 140)
	if not instance:
		raise wire.MalformedPayload("The body names no instance")
	if not frappe.db.exists("WapBridge Instance", instance):
		raise UnknownInstance(instance)
	return instance


def _message_received(body, webhook_id):
	if body.get("instance_id", "") is None:
		# The sample of `test_webhook` comes from no instance.
		return "ignored"
	instance = _known_instance(body)
	name = inbox.receive(instance, wire.inbound(body))
	_seen(instance)
	return None if name else "duplicate"


def _message_status(body, webhook_id):
	_known_instance(body)
	if not apply_status(body):
		message_id = wire.text((body.get("message") or {}).get("id"), 500)
		if not message_id:
			raise wire.MalformedPayload("The body has no message with an id")
		statuses.wait(message_id, frappe.as_json(body), webhook_id or None, "message.status")


def apply_status(body: dict) -> bool:
	"""Applies `message.status`; tells whether the message is known here."""
	message = body.get("message") if isinstance(body.get("message"), dict) else {}
	status = states.FROM_GATEWAY.get(wire.text(message.get("status"), 40))
	if message.get("ack") == 4:
		status = "Played"
	if not status:
		return True
	at = wire.timestamp(body.get("acked_at"))
	return statuses.apply(
		wire.text(message.get("id"), 500), status, message.get("reason"), inbox.local_time(at) if at else None
	)


def _message_edited(body, webhook_id):
	message = _changed_message(body)
	if message:
		text = body["message"].get("body") if isinstance(body.get("message"), dict) else None
		values = {"edited_on": now_datetime()}
		if isinstance(text, str):
			values["message"] = wire.text(text, wire.MAX_TEXT)
		frappe.db.set_value("WapBridge Message", message, values)


def _message_revoked(body, webhook_id):
	message = _changed_message(body)
	if message:
		frappe.db.set_value("WapBridge Message", message, "revoked_on", now_datetime())


def _message_reaction(body, webhook_id):
	message = _changed_message(body)
	if message:
		frappe.db.set_value("WapBridge Message", message, "reaction", wire.text(body.get("reaction"), 40) or None)


def _changed_message(body) -> str | None:
	instance = _known_instance(body)
	message = body.get("message")
	message_id = wire.text(message.get("id"), 500) if isinstance(message, dict) else ""
	if not message_id:
		raise wire.MalformedPayload("The body has no message with an id")
	return frappe.db.get_value("WapBridge Message", {"dedupe_key": wire.dedupe_key(instance, message_id)})


def _instance_status(body, webhook_id):
	from wap_bridge import instances

	instance = _known_instance(body)
	instances.set_state(
		instance,
		status=wire.text(body.get("status"), 40),
		reason=wire.text(body.get("reason"), 500),
		phone_number=wire.digits(body.get("phone_number")),
	)


def _opted_out(body, webhook_id):
	_set_opted_out(body, True)


def _opted_in(body, webhook_id):
	_set_opted_out(body, False)


def _set_opted_out(body, opted_out):
	number = wire.digits(body.get("sender_phone"))
	if not number:
		raise wire.MalformedPayload("The body has no sender_phone")
	directory.set_opted_out(f"+{number}", opted_out, wire.text(body.get("source"), 140))


def _campaign(body, webhook_id):
	"""Events may come late or in another order; what is true now is asked for."""
	name = frappe.db.get_value("WapBridge Campaign", {"gateway_campaign": wire.text(body.get("campaign"), 140)})
	if not name:
		return "ignored"
	frappe.enqueue(
		"wap_bridge.campaign_sync.sync",
		queue="short",
		job_id=f"wapbridge-campaign-{name}",
		deduplicate=True,
		enqueue_after_commit=True,
		name=name,
	)


def _webhook_disabled(body, webhook_id):
	notify.tell_managers(
		_("The gateway has given up a webhook: {0}").format(
			frappe.utils.escape_html(wire.text(body.get("reason"), 200))
		),
		connection.SETTINGS,
		connection.SETTINGS,
	)


def _seen(instance):
	frappe.db.set_value("WapBridge Instance", instance, "last_seen_on", now_datetime(), update_modified=False)


HANDLERS = {
	"message.received": _message_received,
	"message.sent": _message_received,
	"message.status": _message_status,
	"message.edited": _message_edited,
	"message.revoked": _message_revoked,
	"message.reaction": _message_reaction,
	"instance.status": _instance_status,
	"contact.opted_out": _opted_out,
	"contact.opted_in": _opted_in,
	"campaign.started": _campaign,
	"campaign.paused": _campaign,
	"campaign.resumed": _campaign,
	"campaign.completed": _campaign,
	"campaign.cancelled": _campaign,
	"campaign.failed": _campaign,
	"webhook.disabled": _webhook_disabled,
}
