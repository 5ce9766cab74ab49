"""What a Notification with channel WapBridge puts into the outbox for a document."""

import frappe
from frappe import _

from wap_bridge import attachments, connection, outbox, recipients
from wap_bridge.wire import phone
from wap_bridge.wire.markup import to_whatsapp


def put(alert, doc, context: dict) -> list[str]:
	"""Puts one message for each recipient into the outbox and returns their names."""
	if not connection.is_enabled():
		frappe.throw(_("WapBridge is not enabled"))
	settings = connection.settings()
	text = frappe.render_template(alert.message or "", context)
	if settings.html_to_whatsapp:
		text = to_whatsapp(text)
	print_options = _print_options(alert, doc) if alert.attach_print else {}
	files = attachments.files_of(doc.doctype, doc.name) if alert.get("wapbridge_attach_files") else []
	country = connection.default_country()
	names = []
	for entry in recipients.of_notification(alert, doc, context):
		try:
			address = outbox.address_of(entry, country)
		except phone.InvalidNumber as error:
			# One bad number must not cost the others their message, and it must be seen.
			address, problem = {"phone": str(entry)[:140]}, str(error)
		else:
			problem = None
		common = {
			**address,
			"instance": alert.get("wapbridge_instance"),
			"reference_doctype": doc.parenttype if doc.meta.istable else doc.doctype,
			"reference_name": doc.parent if doc.meta.istable else doc.name,
			"notification": alert.name,
			"problem": problem,
			"skip_opted_out": bool(settings.skip_opted_out),
		}
		names.append(outbox.put(message=text, **print_options, **common))
		if problem is None:
			names += [outbox.put(message="", media=file.file_url, filename=file.file_name, **common) for file in files]
	return names


def _print_options(alert, doc) -> dict:
	"""Returns how the document is printed, as the stock channels do.

	:raises frappe.ValidationError: for drafts and cancelled documents where Print Settings does not allow them.
	"""
	# The stock check, with its own words; what it returns beside that is for e-mail.
	attachment = alert.get_attachment(doc)[0]
	return {
		"attach_pdf": 1,
		"print_format": alert.print_format,
		"language": attachment.get("lang") or doc.get("language"),
		"with_letterhead": attachment.get("print_letterhead"),
	}
