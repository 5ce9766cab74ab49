"""Frappe 16 asks these in place of SMS Settings; the switch is in WapBridge Settings."""

import frappe

from wap_bridge import connection, outbox
from wap_bridge.wire import phone
from wap_bridge.wire.markup import to_whatsapp


def send_sms(receiver_list: list | str, msg: str, sender_name: str = "", success_msg: bool = True):
	"""Puts an SMS into the outbox; without the switch, what would have happened without this app."""
	if isinstance(receiver_list, str):
		receiver_list = frappe.parse_json(receiver_list)
		receiver_list = receiver_list if isinstance(receiver_list, list) else [receiver_list]
	if not _is_ours():
		return _stock_send(receiver_list, msg, sender_name, success_msg)
	for receiver in receiver_list:
		put(str(receiver), msg)
	if success_msg:
		frappe.msgprint(frappe._("Message queued"), alert=True)


def send_token_via_sms(otpsecret: str, token: str | None = None, phone_no: str | None = None) -> bool:
	"""Puts a one-time code into the outbox, before everything else; tells whether it could be."""
	if not _is_ours():
		return _stock_token(otpsecret, token, phone_no)
	if not phone_no:
		return False
	put(phone_no, _code_text(otpsecret, token), priority="High")
	return True


def put(receiver: str, text: str, **options) -> list[str]:
	"""Puts a text into the outbox for every number that the receiver holds; returns the names of the messages."""
	country = connection.default_country()
	names = []
	for entry in phone.split(receiver):
		try:
			address, problem = outbox.address_of(entry, country), None
		except phone.InvalidNumber as error:
			address, problem = {"phone": entry[:140]}, str(error)
		names.append(outbox.put(message=to_whatsapp(text), problem=problem, **address, **options))
	return names


def _is_ours() -> bool:
	return bool(connection.is_enabled() and connection.settings().use_for_sms)


def _hook_before_ours(hook: str):
	"""Returns the function of another app that had the hook before us, None when Frappe itself had it."""
	others = [path for path in frappe.get_hooks(hook) if not path.startswith("wap_bridge.")]
	return frappe.get_attr(others[-1]) if others else None


def _stock_send(receiver_list, msg, sender_name, success_msg):
	other = _hook_before_ours("send_sms")
	if other:
		return other(receiver_list, msg, sender_name, success_msg)
	# Frappe's own send_sms asks the hooks first and would come back here: these are the steps after that.
	from frappe.core.doctype.sms_settings.sms_settings import send_via_gateway, validate_receiver_nos

	if not frappe.db.get_single_value("SMS Settings", "sms_gateway_url"):
		frappe.msgprint(frappe._("Please Update SMS Settings"))
		return
	send_via_gateway(
		{
			"receiver_list": validate_receiver_nos(receiver_list),
			"message": frappe.safe_decode(msg).encode("utf-8"),
			"success_msg": success_msg,
		}
	)


def _stock_token(otpsecret, token, phone_no):
	other = _hook_before_ours("send_token_via_sms")
	if other:
		return other(otpsecret, token, phone_no)
	from frappe.core.doctype.sms_settings.sms_settings import send_request

	settings = frappe.get_cached_doc("SMS Settings")
	if not phone_no or not settings.sms_gateway_url:
		return False
	params = {settings.message_parameter: _code_text(otpsecret, token), settings.receiver_parameter: phone_no}
	params |= {row.parameter: row.value for row in settings.parameters}
	frappe.enqueue(
		send_request, queue="short", gateway_url=settings.sms_gateway_url, params=params, use_post=settings.use_post
	)
	return True


def _code_text(otpsecret, token) -> str:
	import pyotp

	return f"Your verification code is {pyotp.HOTP(otpsecret).at(int(token))}"
