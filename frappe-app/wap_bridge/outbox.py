"""Messages on their way out: a row in the transaction of the document, which leaves after the commit (`delivery`)."""

import frappe
from frappe import _
from frappe.utils import cint, now_datetime

from wap_bridge import attachments, connection, directory, statuses
from wap_bridge.wire import phone

DOCTYPE = "WapBridge Message"
# So many messages of a transaction go to one job.
JOB = 50


def address_of(entry: str, country: str | None = None) -> dict:
	"""Returns whom an entry names: `{phone}` for a number, `{chat_id, is_group}` for a WhatsApp address.

	:raises phone.InvalidNumber: when it is neither.
	"""
	address = phone.jid(entry)
	if address and address.endswith(("@g.us", "@lid")):
		return {"chat_id": address, "is_group": int(address.endswith("@g.us"))}
	return {"phone": phone.to_e164(entry, country)}


def put(
	*, message: str, problem: str | None = None, skip_opted_out: bool = False, with_letterhead=None, **fields
) -> str:
	"""Writes a message into the outbox and returns its name; it leaves after the commit, and not at all after a rollback."""
	doc = frappe.new_doc(DOCTYPE)
	doc.update(fields)
	doc.update(
		{
			"direction": "Outgoing",
			"status": "Queued",
			"message": message,
			"message_type": "document" if fields.get("media") or fields.get("attach_pdf") else "text",
			"instance": fields.get("instance") or connection.settings().default_instance,
			"happened_on": now_datetime(),
			"next_attempt_at": now_datetime(),
		}
	)
	if doc.attach_pdf and not doc.letterhead and with_letterhead is not None:
		doc.letterhead = "" if cint(with_letterhead) else attachments.NO_LETTERHEAD
	person = directory.remember(phone_number=doc.phone) if doc.phone and not problem else None
	if person:
		doc.contact = person.name
		doc.profile_name = person.title
	if problem:
		_end(doc, "Failed", "invalid_number", problem)
	elif skip_opted_out and person and person.opted_out:
		_end(doc, "Cancelled", "opted_out", _("This person asked not to be written to"))
	elif not (message or doc.media or doc.attach_pdf):
		_end(doc, "Failed", "empty", _("The message is empty"))
	doc.insert(ignore_permissions=True)
	if doc.status == "Queued":
		_deliver_after_commit(doc.name)
	return doc.name


def _end(doc, status, code, error):
	doc.update({"status": status, "error_code": code, "error": error, "next_attempt_at": None})


def _deliver_after_commit(name: str):
	"""One job for everything that a transaction puts into the outbox."""
	waiting = getattr(frappe.local, "wapbridge_outbox", None)
	if waiting is None:
		waiting = frappe.local.wapbridge_outbox = []
	if not waiting:
		frappe.db.after_commit.add(_enqueue_waiting)
		frappe.db.after_rollback.add(_forget_waiting)
	waiting.append(name)


def _enqueue_waiting():
	names, frappe.local.wapbridge_outbox = getattr(frappe.local, "wapbridge_outbox", None) or [], []
	for start in range(0, len(names), JOB):
		try:
			frappe.enqueue("wap_bridge.delivery.deliver", queue="short", names=names[start : start + JOB])
		except Exception:
			# The rows are committed: without a queue they leave with the next minute's flush.
			frappe.logger("wap_bridge").warning("no queue for %s messages; the scheduler sends them", len(names))
			return


def _forget_waiting():
	frappe.local.wapbridge_outbox = []


def retry(doc) -> str:
	"""Puts a message back into the outbox that failed, was cancelled, or of which nobody knows; returns its state."""
	doc = frappe.get_doc(DOCTYPE, doc.name, for_update=True)
	if doc.status not in ("Failed", "Cancelled", "Uncertain"):
		frappe.throw(
			_("Only a message that failed, was cancelled or is uncertain can be sent again: this one is {0}").format(
				_(doc.status)
			)
		)
	if doc.error_code == "invalid_number" and not doc.chat_id:
		try:
			doc.phone = phone.to_e164(doc.phone, connection.default_country())
		except phone.InvalidNumber as error:
			frappe.throw(frappe.utils.escape_html(str(error)))
	# What may have arrived under the old key is only sent again because somebody asks for it.
	doc.db_set(
		{
			"status": "Queued",
			"phone": doc.phone,
			"retries": cint(doc.retries) + 1,
			"attempts": 0,
			"error": None,
			"error_code": None,
			"message_id": None,
			"dedupe_key": None,
			"first_attempt_at": None,
			"claim": None,
			"next_attempt_at": now_datetime(),
		}
	)
	_deliver_after_commit(doc.name)
	return "Queued"


def cancel(doc) -> str:
	"""Stops a message: here while it is queued, else on the gateway while it waits there; returns its state.

	:raises GatewayError: when the gateway cannot be asked, or says that it is too late.
	"""
	doc = frappe.get_doc(DOCTYPE, doc.name, for_update=True)
	if doc.status == "Queued":
		doc.db_set({"status": "Cancelled", "next_attempt_at": None, "claim": None})
	elif doc.status == "Accepted" and doc.message_id:
		statuses.apply_answer(doc.message_id, connection.get_gateway().cancel_message(doc.message_id))
	else:
		frappe.throw(_("It is too late to cancel this message: it is {0}").format(_(doc.status)))
	return frappe.db.get_value(DOCTYPE, doc.name, "status")
