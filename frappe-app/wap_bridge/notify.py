"""Who is told, and how: open forms by realtime, people by Notification Log."""

import frappe
from frappe import _
from frappe.utils import add_to_date

from wap_bridge import connection

PREVIEW = 140
# One notice for a conversation in so many minutes: somebody who writes ten lines is one fact.
QUIET_MINUTES = 10


def message_changed(doc):
	"""Tells open forms of the message, and of the document it belongs to, how far it is."""
	data = message_data(doc)
	publish("wapbridge_message", data, doctype=doc.doctype, docname=doc.name)
	if doc.reference_doctype and doc.reference_name:
		publish("wapbridge_message", data, doctype=doc.reference_doctype, docname=doc.reference_name)


def message_data(doc) -> dict:
	return {
		"name": doc.name,
		"direction": doc.direction,
		"status": doc.status,
		"instance": doc.instance,
		"phone": doc.phone,
		"profile_name": doc.profile_name,
		"message": (doc.message or "")[:PREVIEW],
		"message_type": doc.message_type,
		"error": doc.error,
		"reference_doctype": doc.reference_doctype,
		"reference_name": doc.reference_name,
	}


def message_received(doc, persons_doc: tuple[str, str] | None):
	"""Tells the people whom an incoming message concerns: who is assigned, else those of WapBridge Settings."""
	message_changed(doc)
	users = [user for user in concerned(doc, persons_doc) if may_see(doc, user)]
	for user in users:
		publish("wapbridge_message", message_data(doc), user=user)
	_notice(doc, persons_doc, users)


def concerned(doc, persons_doc: tuple[str, str] | None) -> list[str]:
	"""Returns the users to tell: assigned to the person's document, else who wrote to that person last, else as configured."""
	if persons_doc:
		assigned = frappe.get_all(
			"ToDo",
			filters={"reference_type": persons_doc[0], "reference_name": persons_doc[1], "status": "Open"},
			pluck="allocated_to",
		)
		if assigned:
			return _enabled(assigned)
	settings = connection.settings()
	users = [row.user for row in settings.notify_users]
	if settings.notify_role:
		users += frappe.get_all(
			"Has Role", filters={"role": settings.notify_role, "parenttype": "User"}, pluck="parent"
		)
	return _enabled(users)


def may_see(doc, user: str) -> bool:
	return bool(frappe.has_permission(doc.doctype, "read", doc=doc, user=user))


def managers() -> list[str]:
	"""Returns who looks after the connection."""
	users = frappe.get_all(
		"Has Role",
		filters={"role": ("in", ("WapBridge Manager", "System Manager")), "parenttype": "User"},
		pluck="parent",
	)
	return _enabled(users)


def tell_managers(subject: str, doctype: str, name: str):
	"""Tells who looks after the connection that something needs a person."""
	for user in managers():
		_log(user, subject, doctype, name)


def _notice(doc, persons_doc, users):
	document = persons_doc or (doc.doctype, doc.name)
	subject = _("WhatsApp from {0}").format(frappe.utils.escape_html(doc.profile_name or doc.phone or _("unknown")))
	recent = add_to_date(None, minutes=-QUIET_MINUTES, as_datetime=True)
	for user in users:
		told = persons_doc and frappe.db.exists(
			"Notification Log",
			{
				"for_user": user,
				"document_type": document[0],
				"document_name": document[1],
				"read": 0,
				"creation": (">", recent),
			},
		)
		if not told:
			_log(user, subject, *document)


def _log(user, subject, doctype, name):
	frappe.get_doc(
		{
			"doctype": "Notification Log",
			"for_user": user,
			"type": "Alert",
			"subject": subject,
			"document_type": doctype,
			"document_name": name,
			"from_user": "Administrator",
		}
	).insert(ignore_permissions=True)


def _enabled(users: list[str]) -> list[str]:
	users = [user for user in dict.fromkeys(users) if user and user != "Guest"]
	if not users:
		return []
	return frappe.get_all("User", filters={"name": ("in", users), "enabled": 1}, pluck="name")


def publish(event, data, **room):
	try:
		frappe.publish_realtime(event, data, after_commit=True, **room)
	except Exception:
		# Without Redis nobody is told at once; nothing else may fail for that.
		frappe.logger("wap_bridge").warning("realtime is not available")
