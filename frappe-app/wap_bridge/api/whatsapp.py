"""Sending and reading messages. The first two have the gateway's own names, so that a site can stand in for it."""

import base64
import binascii

import frappe
from frappe import _
from frappe.utils import cint

from wap_bridge import connection, outbox, sending, statuses
from wap_bridge.wire import phone
from wap_bridge.wire.markup import to_whatsapp

MAX_MEDIA_BYTES = 64 * 1024 * 1024


@frappe.whitelist(methods=["POST"])
def send_api_message(
	from_number: str | None = None,
	to_number: str | None = None,
	message: str | None = None,
	media_data: str | None = None,
	mime_type: str | None = None,
	filename: str | None = None,
	caption: str | None = None,
	instance_id: str | None = None,
	country: str | None = None,
) -> dict:
	"""Sends a text or a file, as the gateway's method of this name does; answers when the message is in the outbox."""
	_may_send()
	instance = _instance(instance_id, from_number)
	fields = _address(to_number, country)
	if media_data:
		fields |= _media(media_data, filename, mime_type)
		text = caption or message or ""
	else:
		text = _needed("message", message)
	name = outbox.put(message=text, instance=instance, **fields)
	if media_data:
		_attach_to(fields["media"], name)
	return _sent([name])


@frappe.whitelist(methods=["POST", "GET"])
def erpnext_notification_gateway(
	message: str | None = None,
	to_number: str | None = None,
	instance_id: str | None = None,
	from_number: str | None = None,
	country: str | None = None,
) -> dict:
	"""Takes a text from the SMS Settings of a site, which may be this one; several numbers are separated by commas."""
	_may_send()
	instance = _instance(instance_id, from_number)
	text = to_whatsapp(_needed("message", message))
	addresses = [_address(entry, country) for entry in phone.split(_needed("to_number", to_number))]
	if frappe.request and frappe.request.method == "GET":
		# Frappe keeps nothing that a GET has written; SMS Settings without Use POST sends one.
		frappe.local.flags.commit = True
	return _sent([outbox.put(message=text, instance=instance, **address) for address in addresses])


@frappe.whitelist(methods=["POST"])
def send_message(
	to_number: str,
	message: str | None = None,
	instance: str | None = None,
	media: str | None = None,
	reference_doctype: str | None = None,
	reference_name: str | None = None,
) -> dict:
	"""Sends what a person has written, for instance an answer; `media` is the address of a file of this site."""
	_may_send()
	fields = _address(to_number, None)
	if instance:
		frappe.has_permission("WapBridge Instance", "read", instance, throw=True)
	if reference_doctype and reference_name:
		frappe.has_permission(reference_doctype, "read", reference_name, throw=True)
		fields |= {"reference_doctype": reference_doctype, "reference_name": reference_name}
	if media:
		file = frappe.get_doc("File", {"file_url": media})
		file.check_permission("read")
		fields |= {"media": media, "filename": file.file_name}
	elif not (message or "").strip():
		frappe.throw(_("There is nothing to send"))
	return {"ok": True, "messages": [outbox.put(message=(message or "").strip(), instance=instance, **fields)]}


@frappe.whitelist(methods=["POST", "GET"])
def get_conversation(
	phone: str | None = None,
	doctype: str | None = None,
	name: str | None = None,
	before: str | None = None,
	limit: int | str = 50,
) -> dict:
	"""Returns what was written to and from a number, or for a document, the newest first; `next` is the `before` of the next page."""
	numbers = []
	if doctype and name:
		doc = frappe.get_doc(doctype, name)
		doc.check_permission("read")
		frappe.has_permission("WapBridge Message", "read", throw=True)
		numbers = [entry["number"] for entry in sending.numbers_of(doc)]
		filters = {"phone": ("in", numbers)} if numbers else {"reference_doctype": doctype, "reference_name": name}
	else:
		numbers = [_address(phone, None).get("phone")]
		filters = {"phone": numbers[0]}
	if before:
		filters["creation"] = ("<", before)
	limit = max(1, min(cint(limit) or 50, 200))
	query = frappe.get_all if doctype and name else frappe.get_list
	fields = [
		"name",
		"direction",
		"status",
		"instance",
		"phone",
		"profile_name",
		"message",
		"message_type",
		"media",
		"filename",
	]
	fields += ["media_status", "happened_on", "creation", "error", "reaction", "edited_on", "revoked_on"]
	rows = query("WapBridge Message", filters=filters, fields=fields, order_by="creation desc", limit=limit)
	return {
		"ok": True,
		"phone": numbers[0] if numbers else None,
		"messages": rows,
		"next": str(rows[-1].creation) if len(rows) == limit else None,
	}


@frappe.whitelist(methods=["POST", "GET"])
def check_numbers(numbers: list | str, instance: str | None = None) -> dict:
	"""Returns which numbers are on WhatsApp."""
	_may_send()
	entries = numbers if isinstance(numbers, list) else phone.split(numbers.strip("[]").replace('"', ""))
	with connection.shown_errors():
		return connection.get_gateway().check_numbers(
			[str(entry) for entry in entries],
			instance_id=instance or connection.settings().default_instance,
			country=connection.default_country(),
		)


@frappe.whitelist(methods=["POST", "GET"])
def message_status(id: str) -> dict:
	"""Returns how far a message is, by its name here or the gateway's id."""
	name = (
		id
		if frappe.db.exists("WapBridge Message", id)
		else frappe.db.get_value("WapBridge Message", {"message_id": id})
	)
	if not name:
		frappe.throw(_("There is no message {0}").format(frappe.utils.escape_html(id)), frappe.DoesNotExistError)
	doc = frappe.get_doc("WapBridge Message", name)
	doc.check_permission("read")
	return {
		"ok": True,
		"id": doc.message_id or doc.name,
		"name": doc.name,
		"status": doc.status.lower(),
		"reason": doc.error,
	}


@frappe.whitelist(methods=["POST"])
def retry_message(name: str) -> dict:
	"""Sends a message again that failed, was cancelled, or of which nobody knows."""
	doc = _own_outgoing(name)
	return {"ok": True, "status": outbox.retry(doc)}


@frappe.whitelist(methods=["POST"])
def cancel_message(name: str) -> dict:
	"""Stops a message that has not left yet."""
	doc = _own_outgoing(name)
	with connection.shown_errors():
		return {"ok": True, "status": outbox.cancel(doc)}


@frappe.whitelist(methods=["POST"])
def refresh_message(name: str) -> dict:
	"""Asks the gateway how far a message is."""
	doc = _own_outgoing(name)
	if doc.message_id:
		with connection.shown_errors():
			statuses.apply_answer(doc.message_id, connection.get_gateway().message_status(doc.message_id))
	return {"ok": True, "status": frappe.db.get_value("WapBridge Message", name, "status")}


def _own_outgoing(name):
	_may_send()
	doc = frappe.get_doc("WapBridge Message", name)
	doc.check_permission("read")
	if doc.direction != "Outgoing":
		frappe.throw(_("This message came in"))
	return doc


def _may_send():
	frappe.has_permission("WapBridge Message", "create", throw=True)


def _needed(name: str, value: str | None) -> str:
	if not (value or "").strip():
		frappe.throw(_("{0} is required").format(name), frappe.MandatoryError)
	return value


def _address(to_number: str | None, country: str | None) -> dict:
	number = _needed("to_number", to_number)
	try:
		return outbox.address_of(number, country or connection.default_country())
	except phone.InvalidNumber as error:
		frappe.throw(frappe.utils.escape_html(str(error)), frappe.InvalidPhoneNumberError)


def _instance(instance_id: str | None, from_number: str | None) -> str | None:
	filters = None
	if instance_id:
		filters = {"name": instance_id.strip().upper()}
	elif from_number:
		filters = {"phone_number": "+" + phone.clean(from_number).lstrip("+")}
	if not filters:
		return None
	found = frappe.get_list("WapBridge Instance", filters=filters, pluck="name", limit=1)
	if not found:
		frappe.throw(_("There is no such instance"), frappe.DoesNotExistError)
	return found[0]


def _media(data: str, filename: str | None, mime_type: str | None) -> dict:
	try:
		content = base64.b64decode(data, validate=True)
	except (binascii.Error, ValueError):
		frappe.throw(_("media_data is not base64"))
	if len(content) > MAX_MEDIA_BYTES:
		frappe.throw(_("The file is larger than {0} MB").format(MAX_MEDIA_BYTES // 1024 // 1024))
	file = frappe.get_doc(
		{"doctype": "File", "file_name": filename or "file", "content": content, "is_private": 1}
	).insert(ignore_permissions=True)
	return {"media": file.file_url, "filename": filename or file.file_name, "mime_type": mime_type}


def _attach_to(file_url: str, name: str):
	frappe.db.set_value(
		"File",
		{"file_url": file_url, "attached_to_doctype": ("is", "not set")},
		{"attached_to_doctype": "WapBridge Message", "attached_to_name": name},
	)


def _sent(names: list[str]) -> dict:
	"""Returns the gateway's own shape of an answer (seed 004)."""
	return {
		"ok": True,
		"service": {"ok": True, "id": names[0]},
		"status": "queued",
		**({"ids": names} if len(names) > 1 else {}),
	}
