"""Sending for documents: what the dialog on forms and lists offers, shows and does."""

import frappe
from frappe import _
from frappe.utils import cint

from wap_bridge import attachments, connection, sending

MAX_DOCUMENTS = 500


@frappe.whitelist(methods=["POST", "GET"])
def get_send_options(doctype: str, name: str) -> dict:
	"""Returns what the dialog on a form offers: numbers, instances, templates, print formats."""
	doc = sending.get_document(doctype, name)
	settings = connection.settings()
	meta = frappe.get_meta(doctype)
	formats = frappe.get_all(
		"Print Format", filters={"doc_type": doctype, "disabled": 0}, pluck="name", order_by="name"
	)
	can_print = bool(doc.has_permission("print"))
	is_person = doctype in sending.PEOPLE
	return {
		"ok": True,
		"can_send": connection.is_enabled(),
		"numbers": sending.numbers_of(doc),
		"instances": frappe.get_list("WapBridge Instance", fields=["name", "title", "status"], order_by="title"),
		"default_instance": settings.default_instance,
		"templates": frappe.get_list(
			"WapBridge Template",
			filters={"enabled": 1, "document_type": ("in", ("", doctype))},
			fields=["name", "title", "attach_pdf", "print_format"],
			order_by="title",
		),
		"print_formats": ["Standard", *formats],
		"default_print_format": meta.default_print_format or "Standard",
		"letterheads": frappe.get_all("Letter Head", filters={"disabled": 0}, pluck="name", order_by="name"),
		"default_letterhead": doc.get("letter_head"),
		"language": doc.get("language"),
		"can_print": can_print,
		"is_person": is_person,
		# What a site keeps about a person is not for that person to read, unless somebody says so.
		"attach_pdf": can_print and not is_person,
		"files": attachments.files_of(doctype, name),
	}


@frappe.whitelist(methods=["POST", "GET"])
def preview(doctype: str, name: str, message: str | None = None, template: str | None = None) -> dict:
	"""Returns the text that a document's message would have."""
	doc = sending.get_document(doctype, name)
	return {"ok": True, "text": sending.text_for(doc, message, template)}


@frappe.whitelist(methods=["POST"])
def send_document(
	doctype: str,
	name: str,
	to_number: str,
	message: str | None = None,
	template: str | None = None,
	instance: str | None = None,
	attach_pdf: bool | int | str = False,
	print_format: str | None = None,
	letterhead: str | None = None,
	language: str | None = None,
	attach_files: list | str | None = None,
) -> dict:
	"""Sends a message for a document, with its PDF and files where asked for."""
	how = sending.How(message, template, instance, bool(cint(attach_pdf)), print_format, letterhead, language)
	doc = sending.get_document(doctype, name, pdf=how.attach_pdf)
	files = attachments.files_of(doctype, name, _list(attach_files)) if attach_files else []
	names = sending.send(doc, how, to_number=to_number, files=files)
	return {"ok": True, "messages": names}


@frappe.whitelist(methods=["POST"])
def send_documents(
	doctype: str,
	names: list | str,
	message: str | None = None,
	template: str | None = None,
	instance: str | None = None,
	attach_pdf: bool | int | str = False,
	print_format: str | None = None,
	letterhead: str | None = None,
	language: str | None = None,
) -> dict:
	"""Sends a message for each of several documents to its own first number; who opted out is left out."""
	names = _list(names)
	if len(names) > MAX_DOCUMENTS:
		frappe.throw(_("At most {0} documents at once: make a campaign for more").format(MAX_DOCUMENTS))
	how = sending.How(message, template, instance, bool(cint(attach_pdf)), print_format, letterhead, language)
	queued, skipped = 0, []
	for name in names:
		try:
			doc = sending.get_document(doctype, str(name), pdf=how.attach_pdf)
			numbers = sending.numbers_of(doc)
			if not numbers:
				raise frappe.ValidationError(_("No phone number"))
			if numbers[0]["opted_out"]:
				raise frappe.ValidationError(_("This person asked not to be written to"))
			sending.send(doc, how, to_number=numbers[0]["number"], priority="Low")
			queued += 1
		except (frappe.ValidationError, frappe.PermissionError, frappe.DoesNotExistError) as error:
			skipped.append({"name": name, "reason": frappe.utils.strip_html(str(error))[:200]})
			frappe.clear_messages()
	return {"ok": True, "queued": queued, "skipped": skipped}


def _list(value) -> list:
	value = frappe.parse_json(value) if isinstance(value, str) else value
	return value if isinstance(value, list) else [value]
