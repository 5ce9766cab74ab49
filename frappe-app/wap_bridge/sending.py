"""Sending for a document: whom to, what the text is, and who may."""

from collections.abc import Iterable
from dataclasses import dataclass

import frappe
from frappe import _
from frappe.utils import cint

from wap_bridge import connection, outbox
from wap_bridge.campaign_sources import phone_fields
from wap_bridge.wire import phone
from wap_bridge.wire.markup import to_whatsapp

MANAGERS = ("WapBridge Manager", "System Manager")
PEOPLE = ("Contact", "Customer", "Supplier", "Lead", "Employee", "Student", "Patient")
# Fields by which documents name the party whose Contacts may be written to.
PARTY_FIELDS = ("customer", "supplier", "lead", "party_name", "party", "employee", "student", "patient")


def get_document(doctype: str, name: str, pdf: bool = False):
	"""Returns a document that the user may send messages for.

	:raises frappe.PermissionError: for who may not read, or neither mail nor print it; a PDF needs the right to print.
	"""
	frappe.has_permission("WapBridge Message", "create", throw=True)
	doc = frappe.get_doc(doctype, name)
	doc.check_permission("read")
	if pdf:
		doc.check_permission("print")
	elif not doc.has_permission("email"):
		doc.check_permission("print")
	return doc


def numbers_of(doc) -> list[dict]:
	"""Returns the numbers that a document knows: its own fields, the person it names, the Contacts of its party."""
	found: dict[str, dict] = {}
	country = connection.default_country()

	def add(value, label):
		for entry in phone.split(value):
			try:
				number = phone.to_e164(entry, country)
			except phone.InvalidNumber:
				continue
			found.setdefault(number, {"number": number, "label": label})

	for field in phone_fields(doc.doctype):
		add(doc.get(field["fieldname"]), field["label"])
	if doc.doctype == "Contact":
		for row in doc.get("phone_nos") or []:
			add(row.phone, _("Phone"))
	contacts = [name for name in (doc.get("contact_person"), doc.get("customer_primary_contact")) if name]
	for doctype, name in _parties(doc):
		contacts += frappe.get_all(
			"Dynamic Link",
			filters={"link_doctype": doctype, "link_name": name, "parenttype": "Contact"},
			pluck="parent",
			limit=20,
		)
	for contact in dict.fromkeys(contacts):
		if frappe.db.exists("Contact", contact) and frappe.has_permission("Contact", "read", contact):
			person = frappe.get_cached_doc("Contact", contact)
			name = " ".join(part for part in (person.first_name, person.last_name) if part)
			for row in sorted(person.phone_nos, key=lambda row: -cint(row.is_primary_mobile_no)):
				add(row.phone, name or contact)
	gone = set(
		frappe.get_all(
			"WapBridge Contact", filters={"phone": ("in", list(found) or [""]), "opted_out": 1}, pluck="phone"
		)
	)
	return [{**entry, "opted_out": entry["number"] in gone} for entry in found.values()]


def _parties(doc) -> list[tuple[str, str]]:
	parties = [(doc.doctype, doc.name)] if doc.doctype not in ("Contact",) else []
	for fieldname in PARTY_FIELDS:
		field = doc.meta.get_field(fieldname)
		value = doc.get(fieldname)
		if not field or not value:
			continue
		doctype = doc.get(field.options) if field.fieldtype == "Dynamic Link" else field.options
		if doctype and field.fieldtype in ("Link", "Dynamic Link"):
			parties.append((doctype, value))
	return parties


@dataclass(frozen=True)
class How:
	"""What is sent for a document: a text as it is written or a template's, and how the document is printed, if it is."""

	message: str | None = None
	template: str | None = None
	instance: str | None = None
	attach_pdf: bool = False
	print_format: str | None = None
	letterhead: str | None = None
	language: str | None = None


def text_for(doc, message: str | None, template: str | None) -> str:
	"""Returns the text for a document: as it is written, or made from a template.

	Templates can ask for much of the site's data, so only managers write them; everybody may use theirs.
	"""
	if message is None and template:
		source = frappe.get_cached_doc("WapBridge Template", template)
		source.check_permission("read")
		if not source.enabled:
			frappe.throw(_("Template {0} is disabled").format(template))
		if source.document_type and source.document_type != doc.doctype:
			frappe.throw(_("Template {0} is for {1}").format(template, _(source.document_type)))
		return _rendered(source.message, doc)
	message = message or ""
	if ("{{" in message or "{%" in message) and set(MANAGERS) & set(frappe.get_roles()):
		return _rendered(message, doc)
	return message.strip()


def _rendered(template: str, doc) -> str:
	# The template's `frappe` is Frappe's own for templates; the module frappe.utils itself could run programs.
	try:
		text = frappe.render_template(template, {"doc": doc})
	except frappe.ValidationError:
		raise
	except Exception as error:
		frappe.throw(_("The message could not be filled in: {0}").format(frappe.utils.escape_html(str(error))))
	return to_whatsapp(text) if connection.settings().html_to_whatsapp else text.strip()


def check_printable(doc):
	"""Checks what Print Settings say about drafts and cancelled documents."""
	settings = frappe.get_cached_doc("Print Settings")
	if doc.docstatus == 0 and doc.meta.is_submittable and not cint(settings.allow_print_for_draft):
		frappe.throw(_("Not allowed to print draft documents"), frappe.PermissionError)
	if doc.docstatus == 2 and not cint(settings.allow_print_for_cancelled):
		frappe.throw(_("Not allowed to print cancelled documents"), frappe.PermissionError)


def send(doc, how: How, *, to_number: str, files: Iterable = (), **more) -> list[str]:
	"""Puts messages for a document into the outbox: text or PDF, and one for each file; returns their names."""
	text = text_for(doc, how.message, how.template)
	if how.instance:
		frappe.has_permission("WapBridge Instance", "read", how.instance, throw=True)
	if how.attach_pdf:
		check_printable(doc)
	country = connection.default_country()
	names = []
	for entry in phone.split(to_number):
		try:
			address = outbox.address_of(entry, country)
		except phone.InvalidNumber as error:
			frappe.throw(frappe.utils.escape_html(str(error)))
		common = {
			**address,
			**more,
			"instance": how.instance,
			"reference_doctype": doc.doctype,
			"reference_name": doc.name,
			"template": how.template,
		}
		if text or how.attach_pdf:
			names.append(outbox.put(message=text, **_print_options(doc, how), **common))
		for file in files:
			names.append(outbox.put(message="", media=file.file_url, filename=file.file_name, **common))
	if not names:
		frappe.throw(_("There is nothing to send"))
	return names


def _print_options(doc, how: How) -> dict:
	if not how.attach_pdf:
		return {}
	usual = cint(frappe.get_cached_doc("Print Settings").with_letterhead)
	return {
		"attach_pdf": 1,
		"print_format": how.print_format,
		"letterhead": how.letterhead,
		"language": how.language or doc.get("language"),
		"with_letterhead": None if how.letterhead else usual,
	}
