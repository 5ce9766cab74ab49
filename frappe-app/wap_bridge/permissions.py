"""Who sees which messages. Frappe's own rules come first: these take away, and give nothing."""

import frappe

SEE_ALL = {"System Manager", "WapBridge Manager", "WapBridge Viewer"}


def message_query(user: str | None = None) -> str:
	"""Returns the condition of lists: users without a wider role see what they sent, and what people answered to it."""
	user = user or frappe.session.user
	if user == "Administrator" or SEE_ALL & set(frappe.get_roles(user)):
		return ""
	escaped = frappe.db.escape(user)
	return (
		f"(`tabWapBridge Message`.owner = {escaped}"
		" or (`tabWapBridge Message`.direction = 'Incoming' and `tabWapBridge Message`.contact in"
		f" (select sent.contact from `tabWapBridge Message` sent where sent.owner = {escaped} and sent.direction = 'Outgoing'"
		" and sent.contact is not null and sent.contact != '')))"
	)


def has_message_permission(doc, ptype: str = "read", user: str | None = None, debug: bool = False) -> bool:
	"""Tells whether a user may see one message: as in lists, and on documents that the user may read."""
	user = user or frappe.session.user
	if ptype == "create" or user == "Administrator" or SEE_ALL & set(frappe.get_roles(user)):
		return True
	if doc.get("owner") == user:
		return True
	if doc.get("reference_doctype") and doc.get("reference_name"):
		return bool(
			frappe.db.exists(doc.reference_doctype, doc.reference_name)
			and frappe.has_permission(doc.reference_doctype, "read", doc.reference_name, user=user)
		)
	return bool(
		doc.get("contact")
		and frappe.db.exists("WapBridge Message", {"contact": doc.contact, "owner": user, "direction": "Outgoing"})
	)


def may_open() -> bool:
	"""Tells whether the app's tile is shown to this user."""
	return bool({*SEE_ALL, "WapBridge User"} & set(frappe.get_roles()))
