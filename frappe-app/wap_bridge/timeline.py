"""Messages that were sent for a document, on its timeline. What came in is there as Communications."""

import frappe
from frappe import _
from frappe.utils import escape_html, get_url_to_form

from wap_bridge import connection

SHOWN = 20


def messages_of(doctype: str, docname: str) -> list[dict]:
	"""Returns the last messages that were sent for a document, each with its state."""
	if not connection.is_enabled() or not frappe.has_permission("WapBridge Message", "read"):
		return []
	rows = frappe.get_all(
		"WapBridge Message",
		filters={"reference_doctype": doctype, "reference_name": docname, "direction": "Outgoing"},
		fields=["name", "creation", "phone", "profile_name", "status", "error", "message", "filename", "owner"],
		order_by="creation desc",
		limit=SHOWN,
	)
	return [{"icon": "small-message", "is_card": 1, "creation": row.creation, "content": _content(row)} for row in rows]


def _content(row) -> str:
	to = escape_html(row.profile_name or row.phone or "")
	link = f'<a href="{escape_html(get_url_to_form("WapBridge Message", row.name))}">{to}</a>'
	title = _("WhatsApp to {0}: {1}").format(link, escape_html(_(row.status)))
	error = f' <span class="text-danger">{escape_html(row.error)}</span>' if row.error else ""
	text = escape_html(row.message or "").replace("\n", "<br>")
	file = f"<div>{escape_html(row.filename)}</div>" if row.filename else ""
	return f'<div class="text-muted small">{title}{error}</div>{file}<div>{text}</div>'
