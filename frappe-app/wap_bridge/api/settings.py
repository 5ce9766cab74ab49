"""What the buttons of WapBridge Settings do."""

import frappe
from frappe import _
from frappe.utils import now_datetime

from wap_bridge import connection, directory, instances, sms_settings, webhook_registration
from wap_bridge.sending import MANAGERS
from wap_bridge.transport import GatewayError
from wap_bridge.wire.payload import harmless


@frappe.whitelist(methods=["POST"])
def test_connection() -> dict:
	"""Asks the gateway whose key it is, and which instances there are."""
	frappe.only_for(MANAGERS)
	trouble = None
	try:
		gateway = connection.get_gateway()
		account = gateway.check()
		rows = gateway.list_instances()
	except GatewayError as error:
		trouble = error
	webhook_registration.write(
		{
			"connection_status": harmless(trouble.message if trouble else _("Connected"), 140),
			"last_checked_on": now_datetime(),
		}
	)
	if trouble:
		# The state is kept although the call ends with an error.
		frappe.db.commit()
		frappe.throw(frappe.utils.escape_html(trouble.message), title=_("WapBridge Gateway"))
	instances.sync(rows)
	settings = connection.settings()
	if not settings.default_instance and len(rows) == 1:
		webhook_registration.write({"default_instance": rows[0]["instance_id"]})
	return {
		"ok": True,
		"account": account,
		"version": _version(gateway),
		"instances": rows,
		"warnings": _warnings(rows),
	}


@frappe.whitelist(methods=["POST"])
def configure_sms_settings() -> dict:
	"""Points the stock SMS Settings at the gateway."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		return {"ok": True, **sms_settings.configure()}


@frappe.whitelist(methods=["POST"])
def undo_sms_settings() -> dict:
	"""Restores the SMS Settings that were there before."""
	frappe.only_for(MANAGERS)
	sms_settings.undo()
	return {"ok": True}


@frappe.whitelist(methods=["POST"])
def send_test_sms(to_number: str, message: str | None = None) -> dict:
	"""Sends a text the way every SMS of this site goes."""
	frappe.only_for(MANAGERS)
	from frappe.core.doctype.sms_settings.sms_settings import send_sms

	send_sms([to_number], message or _("This is a test of SMS through WhatsApp."), success_msg=False)
	return {"ok": True}


@frappe.whitelist(methods=["POST"])
def register_webhook() -> dict:
	"""Makes the gateway post its events to this site."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		return {"ok": True, **webhook_registration.register()}


@frappe.whitelist(methods=["POST"])
def unregister_webhook() -> dict:
	"""Stops the gateway from posting to this site."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		webhook_registration.unregister()
	return {"ok": True}


@frappe.whitelist(methods=["POST"])
def rotate_secret() -> dict:
	"""Changes the webhook's secret on both sides."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		webhook_registration.rotate_secret()
	return {"ok": True}


@frappe.whitelist(methods=["POST"])
def test_webhook() -> dict:
	"""Lets the gateway post a sample to this site."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		return {"ok": True, **webhook_registration.test()}


@frappe.whitelist(methods=["POST", "GET"])
def webhook_health() -> dict:
	"""Returns how the webhook is doing, as the gateway sees it."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		return {"ok": True, "webhook": webhook_registration.health()}


@frappe.whitelist(methods=["POST"])
def index_contacts() -> dict:
	"""Makes the numbers of all Contacts findable again, in the background."""
	frappe.only_for(MANAGERS)
	directory.enqueue_index_all()
	return {"ok": True}


def _version(gateway) -> str | None:
	try:
		return gateway.version()
	except GatewayError:
		return None


def _warnings(rows: list[dict]) -> list[str]:
	settings = connection.settings()
	warnings = []
	if not rows:
		warnings.append(_("The gateway has no instance yet: create one and link your phone"))
	elif not any(row.get("status") == "ready" for row in rows):
		warnings.append(_("No instance is connected: messages wait until one is"))
	if settings.gateway_url.startswith("http://") and not any(
		host in settings.gateway_url for host in ("//127.", "//localhost", "//[::1]")
	):
		warnings.append(_("The gateway is asked without TLS: key and messages can be read on the way"))
	return warnings
