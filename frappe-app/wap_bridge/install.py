"""What the app adds to the site beside its own doctypes: the channel WapBridge on Notification."""

import frappe
from frappe.custom.doctype.custom_field.custom_field import create_custom_fields
from frappe.custom.doctype.property_setter.property_setter import make_property_setter

CHANNEL = "WapBridge"

# Made by code and not as fixtures, which would overwrite what an administrator changed on every migrate.
CUSTOM_FIELDS = {
	"Notification": [
		{
			"fieldname": "wapbridge_section",
			"fieldtype": "Section Break",
			"label": "WapBridge",
			"insert_after": "recipients",
			"depends_on": f"eval:doc.channel=='{CHANNEL}'",
		},
		{
			"fieldname": "wapbridge_instance",
			"fieldtype": "Link",
			"label": "Instance",
			"options": "WapBridge Instance",
			"insert_after": "wapbridge_section",
			"description": "Empty: the default instance of WapBridge Settings",
		},
		{
			"fieldname": "wapbridge_recipients",
			"fieldtype": "Small Text",
			"label": "Numbers and Groups",
			"insert_after": "wapbridge_instance",
			"description": "Beside the recipients above: numbers, groups such as 1203630@g.us, or Jinja such as {{ doc.contact_mobile }}; one a line",
		},
		{
			"fieldname": "wapbridge_column",
			"fieldtype": "Column Break",
			"insert_after": "wapbridge_recipients",
		},
		{
			"fieldname": "wapbridge_attach_files",
			"fieldtype": "Check",
			"label": "Send Attached Files",
			"insert_after": "wapbridge_column",
			"description": "Each as a message of its own",
		},
	]
}


def after_install():
	set_up_notification()


def after_migrate():
	"""Frappe may have got new channels or fields with a new version: ours stand beside them again."""
	set_up_notification()


def set_up_notification():
	create_custom_fields(CUSTOM_FIELDS, ignore_validate=True)
	add_channel()
	show_subject()
	frappe.clear_cache(doctype="Notification")


def add_channel():
	"""Adds the option to Notification's channels: those of Frappe, those that other apps have added, and ours."""
	own = _options(frappe.db.get_value("DocField", {"parent": "Notification", "fieldname": "channel"}, "options"))
	shown = _options(frappe.get_meta("Notification").get_field("channel").options)
	wanted = list(dict.fromkeys([*own, *shown, CHANNEL]))
	if wanted != shown:
		_set_property("channel", "options", "\n".join(wanted))


def show_subject():
	"""Shows the subject where Notifications are named by it; elsewhere the channel has no use for it."""
	if frappe.get_meta("Notification").autoname == "Prompt":
		return
	current = frappe.db.get_value("DocField", {"parent": "Notification", "fieldname": "subject"}, "depends_on") or ""
	if not current or CHANNEL in current:
		return
	condition = current.removeprefix("eval:").strip()
	_set_property("subject", "depends_on", f"eval: doc.channel=='{CHANNEL}' || ({condition})")


def _set_property(fieldname, name, value):
	frappe.db.delete("Property Setter", {"doc_type": "Notification", "field_name": fieldname, "property": name})
	make_property_setter("Notification", fieldname, name, value, "Small Text", validate_fields_for_doctype=False)


def _options(text):
	return [option for option in (text or "").split("\n") if option]
