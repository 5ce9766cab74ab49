"""What the desk of a user learns of this app when it opens."""

import frappe

from wap_bridge import connection

ROLES = {"System Manager", "WapBridge Manager", "WapBridge User", "WapBridge Viewer"}

# Documents that people send. A template for another DocType brings the button there too.
DOCTYPES = (
	"Sales Invoice",
	"Quotation",
	"Sales Order",
	"Delivery Note",
	"Payment Entry",
	"Purchase Order",
	"Customer",
	"Lead",
	"Contact",
)


def extend_bootinfo(bootinfo):
	"""Tells the desk whether messages can be sent, and on the forms of which DocTypes."""
	if not connection.is_enabled() or not ROLES.intersection(frappe.get_roles()):
		return
	templates = frappe.get_all(
		"WapBridge Template",
		filters={"enabled": 1, "document_type": ["is", "set"]},
		pluck="document_type",
		distinct=True,
	)
	bootinfo.wap_bridge = {"enabled": True, "doctypes": list(dict.fromkeys([*DOCTYPES, *templates]))}
