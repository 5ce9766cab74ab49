"""What workers do with the outbox: each message is claimed, made, given to the gateway, and written down.

A row is `Queued` until a worker claims it, `Sending` while the gateway is asked, and `Accepted` when the gateway has it. The row's
name is the call's Idempotency-Key, so that a call that was lost on its way back is made again without a second message.
"""

import time

import frappe
from frappe import _
from frappe.utils import add_to_date, cint, now_datetime, strip_html, time_diff_in_seconds
from rq.timeouts import JobTimeoutException

from wap_bridge import attachments, connection, notify, statuses
from wap_bridge.outbox import DOCTYPE
from wap_bridge.transport import GatewayError
from wap_bridge.wire import payload, states

BATCH = 50
# So long a flush goes on: the next one comes a minute later.
FLUSH_SECONDS = 45
# How long a worker may hold a row before another takes it over.
LEASE_SECONDS = 900
# The gateway forgets Idempotency-Keys after 24 hours: what may have arrived is not sent again after that.
KEY_LIFETIME_SECONDS = 23 * 3600
BACKOFF_SECONDS = (30, 120, 600, 1800, 3600, 7200, 14400)
# After these the gateway may have the message all the same.
AMBIGUOUS = {"timeout", "not_json", "server_error", "outcome_unknown", "lost"}


def deliver(names: list[str]) -> bool:
	"""Sends what is due of the named messages; tells whether the gateway was there for all of them.

	Runs in a worker, where the document's transaction is long over. What is left when the gateway goes away leaves with a later flush.
	"""
	if not connection.is_enabled():
		return False
	user = frappe.session.user
	# What is printed must not depend on who saved the document; who may send it was decided then.
	frappe.set_user("Administrator")
	try:
		for name in names:
			doc = claim(name)
			if doc and not _deliver_one(doc):
				return False
	finally:
		frappe.set_user(user)
	return True


def flush() -> int:
	"""Sends what is due and was left behind: retries, rows of workers that died, rows that found no queue; returns how many were due."""
	count, ends = 0, time.monotonic() + FLUSH_SECONDS
	while time.monotonic() < ends:
		due = frappe.get_all(
			DOCTYPE,
			filters={"status": ("in", ("Queued", "Sending")), "next_attempt_at": ("<=", now_datetime())},
			order_by="next_attempt_at",
			limit=BATCH,
			pluck="name",
		)
		count += len(due)
		if not due or not deliver(due):
			break
		# What others have sent meanwhile is seen by a new transaction only.
		frappe.db.commit()
	return count


def claim(name: str):
	"""Returns the message when it is due and nobody else has it, and holds it for the lease; commits."""
	token = frappe.generate_hash(length=20)
	now = now_datetime()
	table = frappe.qb.DocType(DOCTYPE)
	(
		frappe.qb.update(table)
		.set(table.claim, token)
		.set(table.status, "Sending")
		.set(table.next_attempt_at, add_to_date(now, seconds=LEASE_SECONDS))
		.where(table.name == name)
		.where(table.direction == "Outgoing")
		.where(table.status.isin(["Queued", "Sending"]))
		.where(table.next_attempt_at <= now)
	).run()
	frappe.db.commit()
	ours = frappe.db.exists(DOCTYPE, {"name": name, "claim": token})
	return frappe.get_doc(DOCTYPE, name) if ours else None


def _deliver_one(doc) -> bool:
	"""Makes one attempt; tells whether the gateway was there. JobTimeoutException when the job's time ran out over it."""
	first = doc.first_attempt_at
	if (
		first
		and doc.error_code in (*AMBIGUOUS, None, "")
		and time_diff_in_seconds(now_datetime(), first) > KEY_LIFETIME_SECONDS
	):
		_finish(
			doc, {"status": "Uncertain", "error": _("Nobody knows whether it was sent: it is not sent again by itself")}
		)
		return True
	if not first:
		doc.db_set("first_attempt_at", now_datetime(), update_modified=False)
		frappe.db.commit()
	try:
		content = attachments.content_of(doc)
		frappe.db.commit()
	except Exception as error:
		_not_made(doc, error)
		if isinstance(error, JobTimeoutException):
			raise
		return True
	trouble = answer = None
	try:
		answer = connection.get_gateway().send(
			key=key_of(doc),
			instance_id=doc.instance or None,
			to_number=doc.chat_id or doc.phone,
			priority=(doc.priority or "Normal").lower(),
			**content,
		)
	except GatewayError as error:
		trouble = error
	if trouble:
		_not_taken(doc, trouble)
		return not trouble.away
	_finish(
		doc,
		{
			"status": states.FROM_GATEWAY.get(answer["status"], "Accepted"),
			"message_id": answer["id"],
			"dedupe_key": payload.dedupe_key(doc.instance or "", answer["id"]),
			"error": None,
			"error_code": None,
			"next_attempt_at": add_to_date(None, minutes=10, as_datetime=True),
		},
	)
	if doc.contact:
		frappe.db.set_value("WapBridge Contact", doc.contact, "last_outgoing_on", now_datetime(), update_modified=False)
		frappe.db.commit()
	statuses.apply_waiting(answer["id"])
	return True


def _not_made(doc, error: Exception):
	"""Writes down why there is nothing to send: for ever, or for now."""
	frappe.db.rollback()
	frappe.log_error(
		title="WapBridge: the message could not be made", reference_doctype=DOCTYPE, reference_name=doc.name
	)
	# Printing asks the site itself for its style sheets, and a site may be away, or slow, for a while.
	may_pass = isinstance(error, OSError | JobTimeoutException) and not isinstance(error, FileNotFoundError)
	_not_taken(doc, GatewayError(_plain(error), code="content", temporary=may_pass))


def key_of(doc) -> str:
	"""Returns the Idempotency-Key: the same for all attempts, another when a person sends a failed message again."""
	return f"{doc.name}:{doc.retries}" if doc.retries else doc.name


def _not_taken(doc, error: GatewayError):
	if error.code == "idempotency_conflict":
		return _finish(doc, {"status": "Uncertain", "error_code": error.code, "error": error.message})
	attempts = cint(doc.attempts) + 1
	values = {"attempts": attempts, "error_code": error.code[:140], "error": error.message}
	if error.temporary and attempts < max(1, cint(connection.settings().max_attempts) or 8):
		delay = BACKOFF_SECONDS[min(attempts, len(BACKOFF_SECONDS)) - 1]
		delay = max(delay, min(error.retry_after or 0, 3600))
		return _finish(
			doc, {**values, "status": "Queued", "next_attempt_at": add_to_date(None, seconds=delay, as_datetime=True)}
		)
	_finish(doc, {**values, "status": "Failed"})


def _finish(doc, values: dict):
	"""Writes what came of an attempt, unless the row was taken over meanwhile; commits and tells who watches."""
	values = {
		"claim": None,
		**({} if values["status"] in ("Queued", "Accepted", "Sent") else {"next_attempt_at": None}),
		**values,
	}
	table = frappe.qb.DocType(DOCTYPE)
	query = frappe.qb.update(table).where(table.name == doc.name).where(table.claim == doc.claim)
	for field, value in values.items():
		query = query.set(table[field], value)
	query.set(table.modified, now_datetime()).run()
	doc.update(values)
	notify.message_changed(doc)
	frappe.db.commit()


def _plain(error: Exception) -> str:
	return strip_html(str(error))[:500] or type(error).__name__
