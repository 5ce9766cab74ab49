"""Who a Notification writes to: those of the stock form, and the numbers and groups beside them."""

import frappe
from frappe import _

from wap_bridge.wire import phone


def check_numbers_field(text: str | None):
	"""Checks what can be checked before there is a document: lines without Jinja.

	:raises frappe.ValidationError: for what is no number and no group.
	"""
	for line in (text or "").splitlines():
		if "{" in line:
			continue
		for entry in phone.split(line):
			if phone.jid(entry):
				continue
			try:
				phone.clean(entry)
			except phone.InvalidNumber as error:
				frappe.throw(_("Numbers and Groups: {0}").format(frappe.utils.escape_html(str(error))))


def of_notification(alert, doc, context: dict) -> list[str]:
	"""Returns numbers and group addresses as they are written, each once."""
	found: list[str] = []
	for row in alert.recipients:
		if row.condition and not frappe.safe_eval(row.condition, None, context):
			continue
		if row.receiver_by_document_field:
			found += _of_field(doc, row.receiver_by_document_field)
		if row.receiver_by_role:
			found += _of_role(row.receiver_by_role)
	if alert.get("send_to_all_assignees"):
		found += _of_users(
			frappe.get_all(
				"ToDo",
				filters={"status": "Open", "reference_type": doc.doctype, "reference_name": doc.name},
				pluck="allocated_to",
			)
		)
	if alert.wapbridge_recipients:
		found += phone.split(frappe.render_template(alert.wapbridge_recipients, context))
	return list(dict.fromkeys(entry for entry in (str(value).strip() for value in found if value) if entry))


def _of_field(doc, fieldname: str) -> list[str]:
	"""Returns the numbers of a field: one that holds them, one that links a person, or `field,table` for rows."""
	if fieldname == "owner":
		return _of_users([doc.owner])
	name, _separator, table = fieldname.partition(",")
	holders = (doc.get(table) or []) if table else [doc]
	numbers: list[str] = []
	for holder in holders:
		value = holder.get(name)
		field = holder.meta.get_field(name)
		if not value:
			continue
		if field and field.fieldtype == "Link":
			numbers += _of_link(field.options, value)
		elif field and field.fieldtype == "Dynamic Link":
			numbers += _of_link(holder.get(field.options), value)
		elif "@" in str(value) and not phone.jid(value):
			# E-mail fields are chosen for other channels: whose address it is may be known by number too.
			numbers += _of_users([value])
		else:
			numbers += phone.split(value)
	return numbers


def _of_link(doctype: str | None, name: str) -> list[str]:
	if doctype == "User":
		return _of_users([name])
	if not doctype:
		return []
	meta = frappe.get_meta(doctype)
	fields = [field for field in MOBILE_FIELDS if meta.has_field(field)]
	values = frappe.db.get_value(doctype, name, fields, as_dict=True) if fields else None
	return next(([value] for value in (values or {}).values() if value), [])


MOBILE_FIELDS = (
	"whatsapp_no",
	"contact_mobile",
	"mobile_no",
	"cell_number",
	"contact_phone",
	"phone",
	"phone_no",
	"mobile",
)


def _of_users(users: list[str]) -> list[str]:
	if not users:
		return []
	rows = frappe.get_all(
		"User", filters={"name": ("in", users), "enabled": 1}, fields=["mobile_no", "phone"], order_by="creation"
	)
	return [row.mobile_no or row.phone for row in rows if row.mobile_no or row.phone]


def _of_role(role: str) -> list[str]:
	users = frappe.get_all("Has Role", filters={"role": role, "parenttype": "User"}, pluck="parent")
	return _of_users([user for user in users if user not in ("Administrator", "Guest")])
