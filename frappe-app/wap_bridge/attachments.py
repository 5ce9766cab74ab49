"""What goes with a message: its file, or the document printed as PDF."""

import mimetypes

import frappe
from frappe import _

MAX_FILE_BYTES = 64 * 1024 * 1024
# In the field of the letterhead: none at all, where an empty field is the usual one.
NO_LETTERHEAD = "-"


def content_of(doc) -> dict:
	"""Returns the text, or the file with the text as its caption."""
	if doc.attach_pdf and not doc.media:
		_print(doc)
	if not doc.media:
		return {"message": doc.message}
	file = frappe.get_doc("File", {"file_url": doc.media})
	data = file.get_content()
	data = data.encode() if isinstance(data, str) else data
	if len(data) > MAX_FILE_BYTES:
		frappe.throw(_("The file is larger than {0} MB").format(MAX_FILE_BYTES // 1024 // 1024))
	filename = doc.filename or file.file_name
	return {
		"media": data,
		"mime_type": doc.mime_type or mime_type_of(filename),
		"filename": filename,
		"caption": doc.message or None,
	}


def _print(doc):
	"""Prints the document and keeps the file, so that every attempt sends the same bytes."""
	from frappe.translate import print_language

	reference = frappe.get_doc(doc.reference_doctype, doc.reference_name)
	flags = frappe.local.flags
	before, flags.ignore_print_permissions = flags.ignore_print_permissions, True
	try:
		with print_language(doc.language or frappe.local.lang):
			pdf = frappe.get_print(
				doc.reference_doctype,
				doc.reference_name,
				print_format=doc.print_format or None,
				doc=reference,
				as_pdf=True,
				no_letterhead=int(doc.letterhead == NO_LETTERHEAD),
				letterhead=None if doc.letterhead in (None, "", NO_LETTERHEAD) else doc.letterhead,
			)
	finally:
		flags.ignore_print_permissions = before
	name = f"{doc.reference_name}".replace("/", "-").replace(" ", "-") + ".pdf"
	file = frappe.get_doc(
		{
			"doctype": "File",
			"file_name": name,
			"content": pdf,
			"is_private": 1,
			"attached_to_doctype": doc.doctype,
			"attached_to_name": doc.name,
		}
	).insert(ignore_permissions=True)
	values = {"media": file.file_url, "filename": name, "mime_type": "application/pdf", "message_type": "document"}
	doc.db_set(values, update_modified=False)


def files_of(doctype: str, name: str, names: list[str] | None = None) -> list:
	"""Returns the files that are attached to a document: `file_url`, `file_name`; with `names` only those."""
	filters = {"attached_to_doctype": doctype, "attached_to_name": name, "is_folder": 0}
	if names is not None:
		filters["name"] = ("in", names)
	return frappe.get_all("File", filters=filters, fields=["name", "file_url", "file_name"], order_by="creation")


def mime_type_of(filename: str | None) -> str:
	return mimetypes.guess_type(filename or "")[0] or "application/octet-stream"
