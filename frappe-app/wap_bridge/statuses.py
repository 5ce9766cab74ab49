"""What became of sent messages: told by webhooks, and asked for where no webhook came."""

import frappe
from frappe.utils import add_to_date, now_datetime, time_diff_in_seconds

from wap_bridge import connection
from wap_bridge.transport import GatewayError
from wap_bridge.wire import states
from wap_bridge.wire.payload import text

DOCTYPE = "WapBridge Message"
EVENT = "WapBridge Webhook Event"
# After this nobody waits for a tick any more.
ASK_FOR_DAYS = 3
ASK_AT_ONCE = 100


def apply(message_id: str, status: str, reason: str | None = None, at=None) -> bool:
	"""Moves the message on, unless it is further along already; tells whether there is such a message."""
	name = frappe.db.get_value(DOCTYPE, {"message_id": message_id, "direction": "Outgoing"})
	if not name:
		return False
	# The row is read again under its lock: two webhooks may come at once.
	current = frappe.db.get_value(DOCTYPE, name, ["status", "sent_on"], as_dict=True, for_update=True)
	if not states.may_follow(current.status, status):
		return True
	at = at or now_datetime()
	values = {"status": status}
	if not current.sent_on and states.RANK.get(status, 0) > states.RANK["Sent"]:
		values["sent_on"] = at
	for step, field in (("Sent", "sent_on"), ("Delivered", "delivered_on"), ("Read", "read_on")):
		if status == step:
			values[field] = at
	if status in ("Failed", "Cancelled", "Uncertain"):
		values |= {"error_code": text(reason, 140) or None, "error": reason_text(reason), "next_attempt_at": None}
	elif current.status in ("Failed", "Cancelled", "Uncertain"):
		values |= {"error_code": None, "error": None}
	if status in ("Read", "Played"):
		values["next_attempt_at"] = None
	frappe.db.set_value(DOCTYPE, name, values)
	from wap_bridge import notify

	notify.message_changed(frappe.get_doc(DOCTYPE, name))
	return True


def wait(message_id: str, payload: str, webhook_id: str | None, event: str):
	"""Keeps a status whose message is not known yet, while a worker may be about to write its id; commits.

	Other messages are not ours: those of campaigns are asked for, those of other senders are theirs.
	"""
	if not frappe.db.exists(DOCTYPE, {"status": "Sending"}):
		return
	if webhook_id and frappe.db.exists(EVENT, {"webhook_id": webhook_id}):
		return
	frappe.get_doc(
		{
			"doctype": EVENT,
			"event": event,
			"status": "Waiting",
			"message_id": message_id[:140],
			"webhook_id": webhook_id,
			"payload": payload,
		}
	).insert(ignore_permissions=True)
	# A worker that has written the id since we looked has not seen this row: whichever commits last finds the other.
	frappe.db.commit()
	if frappe.db.exists(DOCTYPE, {"message_id": message_id, "direction": "Outgoing"}):
		apply_waiting(message_id)


def apply_waiting(message_id: str):
	"""Applies what webhooks said about a message before its id was known here; commits."""
	from wap_bridge import webhook_events

	rows = frappe.get_all(
		EVENT,
		filters={"message_id": message_id[:140], "status": "Waiting"},
		fields=["name", "payload"],
		order_by="creation",
	)
	for row in rows:
		webhook_events.apply_status(frappe.parse_json(row.payload))
		frappe.db.set_value(EVENT, row.name, "status", "Processed")
	if rows:
		frappe.db.commit()


def reconcile(limit: int = ASK_AT_ONCE) -> int:
	"""Asks the gateway about messages of which nothing was heard for a while; the older, the less often."""
	if not connection.is_enabled():
		return 0
	rows = frappe.get_all(
		DOCTYPE,
		filters={
			"status": ("in", ("Accepted", "Sent", "Delivered", "Uncertain")),
			"direction": "Outgoing",
			"next_attempt_at": ("<=", now_datetime()),
		},
		fields=["name", "message_id", "creation"],
		order_by="next_attempt_at",
		limit=limit,
	)
	gateway = connection.get_gateway()
	for row in rows:
		age = time_diff_in_seconds(now_datetime(), row.creation)
		later = add_to_date(None, seconds=max(600, int(age)), as_datetime=True) if age < ASK_FOR_DAYS * 86400 else None
		frappe.db.set_value(DOCTYPE, row.name, "next_attempt_at", later, update_modified=False)
		if row.message_id:
			try:
				answer = gateway.message_status(row.message_id)
				apply_answer(row.message_id, answer)
			except GatewayError as error:
				if error.temporary:
					frappe.db.commit()
					return len(rows)
		frappe.db.commit()
	return len(rows)


def apply_answer(message_id: str, answer: dict):
	"""Applies what `message_status` has answered."""
	status = states.FROM_GATEWAY.get(text(answer.get("status"), 40))
	if status:
		apply(message_id, status, answer.get("reason"))


# The gateway's reasons in words for people; others are shown as they are.
_REASONS = {
	"not_on_whatsapp": "The number is not on WhatsApp",
	"expired": "It could not be sent in time",
	"logged_out": "The phone was unlinked",
	"timelock": "WhatsApp restricts this number for a while",
	"instance_deleted": "The instance was deleted",
}


def reason_text(reason) -> str | None:
	"""Returns why a message failed, in words."""
	reason = text(reason, 400)
	return frappe._(_REASONS[reason]) if reason in _REASONS else (reason or None)
