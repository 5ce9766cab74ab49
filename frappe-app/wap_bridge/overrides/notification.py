"""The channel WapBridge of the stock Notification: messages go into the outbox, in the transaction of the document."""

import frappe
from frappe import _
from frappe.utils.jinja import validate_template

from wap_bridge.install import CHANNEL

_STOCK = "frappe.email.doctype.notification.notification.Notification"
_OURS = f"{__name__}.WapBridgeNotification"


class WapBridgeNotificationMixin:
	"""What is added to Notification: on Frappe 16 as an extension, before it as an override."""

	def validate(self):
		super().validate()
		if self.channel == CHANNEL:
			_validate(self)

	def send(self, doc):
		if self.channel == CHANNEL:
			_send(self, doc)
		# An unknown channel does nothing there, but the system notification and the property that is set after the alert do.
		return super().send(doc)


def __getattr__(name):
	"""Gives Frappe 15 the override class, built on the override of the app before ours, or else on the stock class.

	Each site has its own apps, so the class is found when a site asks for it.
	"""
	if name != "WapBridgeNotification":
		raise AttributeError(name)
	overrides = list((frappe.get_hooks("override_doctype_class") or {}).get("Notification") or [])
	before = overrides[: overrides.index(_OURS)] if _OURS in overrides else []
	path = before[-1] if before else _STOCK
	if path not in _classes:
		_classes[path] = type("WapBridgeNotification", (WapBridgeNotificationMixin, frappe.get_attr(path)), {})
	return _classes[path]


_classes: dict[str, type] = {}


def _validate(alert):
	validate_template(alert.wapbridge_recipients)
	if not (alert.message or "").strip() and not alert.attach_print and not alert.is_standard:
		frappe.throw(_("A message is needed for channel {0}").format(CHANNEL))
	if not alert.recipients and not (alert.wapbridge_recipients or "").strip():
		frappe.throw(_("Channel {0} needs recipients, or numbers and groups").format(CHANNEL))
	from wap_bridge.recipients import check_numbers_field

	check_numbers_field(alert.wapbridge_recipients)


def _send(alert, doc):
	"""Puts the messages into the outbox. What goes wrong is logged: it must not stop the document from being saved."""
	from frappe.email.doctype.notification.notification import get_context

	from wap_bridge import notifications

	frappe.db.savepoint("wapbridge_notification")
	try:
		context = get_context(doc)
		context.update({"alert": alert, "comments": None})
		if doc.get("_comments"):
			context["comments"] = frappe.parse_json(doc.get("_comments"))
		if alert.is_standard:
			alert.load_standard_properties(context)
		notifications.put(alert, doc, context)
	except Exception:
		frappe.db.rollback(save_point="wapbridge_notification")
		alert.log_error("Failed to send Notification")
