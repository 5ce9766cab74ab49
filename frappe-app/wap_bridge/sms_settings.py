"""SMS Settings in one step, and back: what was there is kept, encrypted, since it may hold the key of another gateway."""

import json

import frappe
from frappe import _
from frappe.utils.password import get_decrypted_password, remove_encrypted_password, set_encrypted_password

from wap_bridge import connection, locks

METHOD = "/api/method/wap_bridge.api.whatsapp.erpnext_notification_gateway"
_BACKUP_FIELD = "sms_settings_backup"
_FIELDS = ("sms_gateway_url", "message_parameter", "receiver_parameter", "use_post")
# SMS Parameter.value is a Data field.
MAX_VALUE = 140
# Of two at once the second one would keep our own values as those that were there before.
WAIT_SECONDS = 30


@locks.alone("sms_settings", WAIT_SECONDS)
def configure() -> dict:
	"""Points the stock SMS Settings at the gateway; returns the address and what to mind."""
	ours = connection.settings()
	if not connection.is_enabled():
		frappe.throw(_("Enable WapBridge and test the connection first"))
	send_only = bool(ours.sms_api_key)
	key = ours.sms_api_key if send_only else ours.api_key
	secret = ours.get_password("sms_api_secret" if send_only else "api_secret", raise_exception=False)
	credentials = f"token {key}:{secret}"
	if not secret:
		frappe.throw(_("The API secret is missing"))
	if len(credentials) > MAX_VALUE:
		frappe.throw(
			_("The API key and secret are too long for SMS Settings: together at most {0} characters").format(
				MAX_VALUE - 7
			)
		)
	sms = frappe.get_doc("SMS Settings")
	if not frappe.db.get_single_value(connection.SETTINGS, "sms_configured", cache=False):
		_back_up(sms)
	sms.update(
		{
			"sms_gateway_url": connection.get_gateway().base + METHOD,
			"message_parameter": "message",
			"receiver_parameter": "to_number",
			"use_post": 1,
			# No Content-Type row: Frappe sends one-time codes as a form, whatever it says.
			"parameters": [{"parameter": "Authorization", "value": credentials, "header": 1}],
		}
	)
	if ours.default_instance:
		sms.append("parameters", {"parameter": "instance_id", "value": ours.default_instance, "header": 0})
	country = connection.default_country()
	if country:
		sms.append("parameters", {"parameter": "country", "value": country, "header": 0})
	_save(sms)
	_mark(True)
	return {"url": sms.sms_gateway_url, "warnings": _warnings(send_only)}


@locks.alone("sms_settings", WAIT_SECONDS)
def undo():
	"""Restores SMS Settings as they were before `configure`.

	:raises frappe.ValidationError: when there is nothing to restore.
	"""
	if not connection.settings().sms_configured:
		frappe.throw(_("SMS Settings were not configured from here"))
	backup = json.loads(
		get_decrypted_password(connection.SETTINGS, connection.SETTINGS, _BACKUP_FIELD, raise_exception=False) or "{}"
	)
	sms = frappe.get_doc("SMS Settings")
	sms.update({field: backup.get(field) for field in _FIELDS})
	sms.set("parameters", backup.get("parameters") or [])
	sms.flags.ignore_mandatory = True
	_save(sms)
	remove_encrypted_password(connection.SETTINGS, connection.SETTINGS, _BACKUP_FIELD)
	_mark(False)


def undo_quietly():
	"""Restores SMS Settings when they still are ours; for the uninstall, which nothing may stop."""
	try:
		url = frappe.db.get_single_value("SMS Settings", "sms_gateway_url") or ""
		if connection.settings().sms_configured and url.endswith(METHOD):
			undo()
	except Exception:
		frappe.log_error(title="WapBridge: SMS Settings could not be restored")


def _save(sms):
	# No Version: it would keep the keys in readable form for ever.
	sms.save(ignore_permissions=True, ignore_version=True)


def _back_up(sms):
	backup = {field: sms.get(field) for field in _FIELDS}
	backup["parameters"] = [
		{"parameter": row.parameter, "value": row.value, "header": row.header} for row in sms.parameters
	]
	set_encrypted_password(connection.SETTINGS, connection.SETTINGS, json.dumps(backup), _BACKUP_FIELD)


def _mark(configured: bool):
	frappe.db.set_single_value(connection.SETTINGS, "sms_configured", int(configured))
	frappe.clear_document_cache(connection.SETTINGS, connection.SETTINGS)


def _warnings(send_only: bool) -> list[str]:
	warnings = []
	if not send_only:
		warnings.append(
			_(
				"SMS Settings now hold your API key in readable form. Better enter a send-only key and secret, and configure again."
			)
		)
	if not frappe.db.exists("DocType", "SMS Log"):
		warnings.append(
			_(
				"This site has no SMS Log (it comes with ERPNext): messages are sent, but Frappe then logs an error about it."
			)
		)
	return warnings
