"""Instances of the gateway: from a new one to a linked phone, and back."""

import frappe
from frappe import _

from wap_bridge import connection, instances
from wap_bridge.sending import MANAGERS
from wap_bridge.wire import payload as wire


@frappe.whitelist(methods=["POST"])
def sync_instances() -> dict:
	"""Brings the list of instances to what the gateway says."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		return {"ok": True, "instances": instances.sync()}


@frappe.whitelist(methods=["POST"])
def create_instance(title: str, default_country: str | None = None) -> dict:
	"""Makes an instance on the gateway; it starts at once."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		answer = connection.get_gateway().create_instance(
			title=title.strip()[:140],
			default_country=connection.country_code(default_country) or connection.default_country(),
		)
	name = answer["instance_id"]
	instances.add(name, title.strip()[:140], default_country)
	instances.set_state(name, status=wire.text(answer.get("status"), 40), reason="")
	if not connection.settings().default_instance:
		from wap_bridge import webhook_registration

		webhook_registration.write({"default_instance": name})
	return {"ok": True, "instance": name}


@frappe.whitelist(methods=["POST", "GET"])
def instance_status(instance: str) -> dict:
	"""Returns how an instance is now."""
	frappe.has_permission("WapBridge Instance", "read", instance, throw=True)
	return _ask("instance_status", instance)


@frappe.whitelist(methods=["POST"])
def get_qr(instance: str) -> dict:
	"""Returns the QR code to scan, while there is one, and how the instance is."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		answer = connection.get_gateway(timeout=20).instance("get_qr", instance)
		status = wire.text(answer.get("status"), 40)
		# Only the list tells number and reason; it is asked when the state has changed.
		if frappe.db.get_value("WapBridge Instance", instance, "status") != _ours(status):
			_write(instance, connection.get_gateway(timeout=20).instance("instance_status", instance))
	code = answer.get("qr_code")
	return {
		"ok": True,
		"status": status,
		"qr_code": code if isinstance(code, str) and code.startswith("data:image/png;base64,") else None,
		"expires_at": answer.get("expires_at"),
	}


@frappe.whitelist(methods=["POST"])
def request_pairing_code(instance: str, phone_number: str) -> dict:
	"""Returns a code to type on the phone in place of the QR code."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		answer = connection.get_gateway(timeout=60).instance(
			"request_pairing_code", instance, phone_number=phone_number
		)
	return {"ok": True, "code": answer.get("code")}


@frappe.whitelist(methods=["POST"])
def connect(instance: str) -> dict:
	"""Starts an instance."""
	frappe.only_for(MANAGERS)
	return _ask("connect", instance)


@frappe.whitelist(methods=["POST"])
def disconnect(instance: str) -> dict:
	"""Stops an instance; the phone stays linked."""
	frappe.only_for(MANAGERS)
	return _ask("disconnect", instance)


@frappe.whitelist(methods=["POST"])
def logout(instance: str) -> dict:
	"""Unlinks the phone."""
	frappe.only_for(MANAGERS)
	return _ask("logout", instance)


@frappe.whitelist(methods=["POST"])
def delete_instance(instance: str) -> dict:
	"""Unlinks the phone and removes the instance from the gateway; what was sent through it stays."""
	frappe.only_for(MANAGERS)
	with connection.shown_errors():
		connection.get_gateway(timeout=60).instance("delete_instance", instance)
	instances.set_state(instance, status="missing", reason=_("Deleted"))
	if connection.settings().default_instance == instance:
		from wap_bridge import webhook_registration

		webhook_registration.write({"default_instance": None})
	return {"ok": True}


def _ask(action: str, instance: str) -> dict:
	with connection.shown_errors():
		answer = connection.get_gateway(timeout=60).instance(action, instance)
	_write(instance, answer)
	doc = frappe.db.get_value(
		"WapBridge Instance", instance, ["name", "status", "reason", "phone_number"], as_dict=True
	)
	return {"ok": True, **(doc or {})}


def _write(instance, answer):
	instances.set_state(
		instance,
		status=wire.text(answer.get("status"), 40),
		reason=wire.text(answer.get("reason"), 500),
		phone_number=wire.digits(answer.get("phone_number")),
		title=wire.text(answer.get("title"), 140),
	)


def _ours(status):
	from wap_bridge.wire import states

	return states.INSTANCE_FROM_GATEWAY.get(status)
