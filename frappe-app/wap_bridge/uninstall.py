"""Takes back what the app has added to the site, so that nothing of it is left."""

import frappe

from wap_bridge.install import CHANNEL, CUSTOM_FIELDS

ROLES = ("WapBridge Manager", "WapBridge User", "WapBridge Viewer")
# Rows of others that point to our doctypes, by the column that names the doctype.
POINTERS = (
	("__Auth", "doctype"),
	("Singles", "doctype"),
	("User Permission", "allow"),
	("Version", "ref_doctype"),
	("Comment", "reference_doctype"),
	("ToDo", "reference_type"),
	("Tag Link", "document_type"),
	("DocShare", "share_doctype"),
	("View Log", "reference_doctype"),
	("Document Follow", "ref_doctype"),
	("Notification Log", "document_type"),
	("Logs To Clear", "ref_doctype"),
	("Custom Field", "dt"),
	("Property Setter", "doc_type"),
	("Custom DocPerm", "parent"),
	("List Filter", "reference_doctype"),
	("Deleted Document", "deleted_doctype"),
	("Dynamic Link", "link_doctype"),
)


def before_uninstall():
	"""Runs while our doctypes are still there."""
	from wap_bridge import sms_settings, webhook_registration

	sms_settings.undo_quietly()
	webhook_registration.unregister_quietly()
	retire_notifications()
	remove_from_notification()
	delete_files()


def after_uninstall():
	"""Runs when our doctypes are gone."""
	for doctype, column in POINTERS:
		table = frappe.qb.Table(doctype) if doctype == "__Auth" else frappe.qb.DocType(doctype)
		if doctype not in ("__Auth", "Singles") and not frappe.db.table_exists(doctype):
			continue
		if doctype == "Singles":
			table = frappe.qb.Table("tabSingles")
		frappe.qb.from_(table).delete().where(table[column].like("WapBridge %")).run()
	_delete("Scheduled Job Type", "method")
	_delete("Patch Log", "patch")
	frappe.qb.from_(frappe.qb.Table("tabSeries")).delete().where(frappe.qb.Table("tabSeries").name == "WAP-CAM-").run()
	delete_roles()
	empty_bin()
	frappe.clear_cache()
	frappe.db.commit()


def retire_notifications():
	"""Disables our Notifications: with a channel that is no more they could not even be saved."""
	for name in frappe.get_all("Notification", {"channel": CHANNEL}, pluck="name"):
		values = {"enabled": 0, "channel": "Email"}
		if not frappe.db.get_value("Notification", name, "subject"):
			values["subject"] = name
		frappe.db.set_value("Notification", name, values)
	frappe.cache.delete_value("notifications")


def remove_from_notification():
	names = [field["fieldname"] for fields in CUSTOM_FIELDS.values() for field in fields]
	for name in frappe.get_all("Custom Field", {"dt": "Notification", "fieldname": ("in", names)}, pluck="name"):
		frappe.delete_doc("Custom Field", name, force=True, ignore_permissions=True)
	# Deleting the field leaves its column behind.
	for column in names:
		if frappe.db.has_column("Notification", column):
			frappe.db.sql_ddl(f"alter table `tabNotification` drop column `{column}`")
	frappe.cache.hdel("table_columns", "tabNotification")
	for field, name in (("channel", "options"), ("subject", "depends_on")):
		_remove_property(field, name)
	frappe.clear_cache(doctype="Notification")


def _remove_property(fieldname, name):
	"""Removes our option and keeps what other apps have added beside it."""
	setter = frappe.db.get_value(
		"Property Setter", {"doc_type": "Notification", "field_name": fieldname, "property": name}, ["name", "value"]
	)
	if not setter or CHANNEL not in (setter[1] or ""):
		return
	own = frappe.db.get_value("DocField", {"parent": "Notification", "fieldname": fieldname}, name)
	rest = "\n".join(option for option in setter[1].split("\n") if option and option != CHANNEL)
	if name == "options" and rest != (own or "").strip("\n"):
		frappe.db.set_value("Property Setter", setter[0], "value", rest)
	else:
		frappe.db.delete("Property Setter", {"name": setter[0]})


def delete_files():
	"""Deletes files that belong to our documents; those of Communications stay with them."""
	for name in frappe.get_all("File", {"attached_to_doctype": ("like", "WapBridge %")}, pluck="name"):
		frappe.delete_doc("File", name, force=True, ignore_permissions=True)


def delete_roles():
	"""Deletes our roles where no other doctype has come to use them."""
	for role in ROLES:
		in_use = frappe.db.exists("DocPerm", {"role": role, "parent": ("not like", "WapBridge %")}) or frappe.db.exists(
			"Custom DocPerm", {"role": role}
		)
		if not in_use and frappe.db.exists("Role", role):
			frappe.db.delete("Has Role", {"role": role})
			frappe.delete_doc("Role", role, force=True, ignore_permissions=True)


def empty_bin():
	"""Deletes what the uninstall itself has put into Deleted Document: nobody can restore it without the app."""
	table = frappe.qb.DocType("Deleted Document")
	ours = (
		table.deleted_name.like("WapBridge%")
		| table.deleted_name.like("Notification-wapbridge%")
		| (table.deleted_name == "Wap Bridge")
		| table.data.like('%"module": "Wap Bridge"%')
	)
	frappe.qb.from_(table).delete().where(ours).run()


def _delete(doctype, column):
	table = frappe.qb.DocType(doctype)
	frappe.qb.from_(table).delete().where(table[column].like("wap_bridge.%")).run()
