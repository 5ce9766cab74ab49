"""Messages that come in: a row, the person behind it, the timeline, the file."""

import base64
import binascii

import frappe
from frappe import _
from frappe.utils import cint, convert_utc_to_system_timezone, escape_html

from wap_bridge import connection, directory, notify
from wap_bridge.transport import GatewayError
from wap_bridge.wire import payload as wire

DOCTYPE = "WapBridge Message"
# Names of files come from strangers.
_UNSAFE_IN_NAMES = '\\/:*?"<>|\r\n\t'


def receive(instance: str, message: wire.Inbound) -> str | None:
	"""Writes an incoming message down, once; returns its name, None when it is there already."""
	key = wire.dedupe_key(instance, message.id)
	if frappe.db.exists(DOCTYPE, {"dedupe_key": key}):
		return None
	person = directory.remember(message.sender_phone, message.sender_lid, message.sender_name)
	if not message.from_me and not message.is_group:
		person = directory.introduce(person)
	belongs_to = None if message.is_group else directory.person_of(person)
	happened = local_time(message.happened_at)
	doc = frappe.get_doc(
		{
			"doctype": DOCTYPE,
			"direction": "Outgoing" if message.from_me else "Incoming",
			"status": "Sent" if message.from_me else "Received",
			"instance": instance,
			"phone": message.sender_phone,
			"profile_name": message.sender_name or (person.title if person else None),
			"contact": person.name if person else None,
			"chat_id": message.chat_id,
			"is_group": cint(message.is_group),
			"message_type": message.type,
			"message": message.text,
			"message_id": message.id[:140],
			"dedupe_key": key,
			"happened_on": happened,
			"reference_doctype": belongs_to[0] if belongs_to else None,
			"reference_name": belongs_to[1] if belongs_to else None,
			"media_status": "Pending" if message.media else None,
			"filename": _safe_name(message.media.filename) if message.media else None,
			"mime_type": message.media.mime_type if message.media else None,
			"media_url": message.media.url if message.media else None,
		}
	)
	frappe.db.savepoint("wapbridge_inbox")
	try:
		doc.insert(ignore_permissions=True)
	except (frappe.UniqueValidationError, frappe.DuplicateEntryError):
		# The same delivery at the same moment in another process.
		frappe.db.rollback(save_point="wapbridge_inbox")
		return None
	if not message.from_me:
		if person:
			frappe.db.set_value("WapBridge Contact", person.name, "last_incoming_on", happened, update_modified=False)
		if belongs_to and connection.settings().create_communications:
			_put_on_timeline(doc, person, belongs_to)
	if message.media:
		_take_media(doc, message.media)
	if not message.from_me:
		notify.message_received(doc, belongs_to)
	return doc.name


def local_time(moment):
	"""Returns a time in UTC as Frappe keeps times: in the site's zone, without one."""
	return convert_utc_to_system_timezone(moment.replace(tzinfo=None)).replace(tzinfo=None, microsecond=0)


def _put_on_timeline(doc, person, belongs_to):
	text = escape_html(doc.message or "").replace("\n", "<br>")
	shown = text or escape_html(doc.filename or f"[{doc.message_type}]")
	communication = frappe.get_doc(
		{
			"doctype": "Communication",
			"communication_type": "Communication",
			"communication_medium": "Chat",
			"sent_or_received": "Received",
			"status": "Open",
			"subject": _("WhatsApp from {0}").format(doc.profile_name or doc.phone or "")[:140],
			"content": f"<p>{shown}</p>",
			"phone_no": doc.phone,
			"sender_full_name": doc.profile_name or doc.phone,
			"communication_date": doc.happened_on,
			"reference_doctype": belongs_to[0],
			"reference_name": belongs_to[1],
			"message_id": doc.dedupe_key,
		}
	)
	if person and person.contact and belongs_to[0] != "Contact":
		communication.append("timeline_links", {"link_doctype": "Contact", "link_name": person.contact})
	communication.insert(ignore_permissions=True)
	doc.db_set("communication", communication.name, update_modified=False)


def _take_media(doc, media: wire.Media):
	if media.data is not None:
		try:
			data = base64.b64decode(media.data, validate=True)
		except (binascii.Error, ValueError):
			return doc.db_set(
				{"media_status": "Failed", "error": _("The file could not be read")}, update_modified=False
			)
		return store_media(doc, data)
	if media.url:
		return frappe.enqueue("wap_bridge.inbox.fetch_media", queue="short", name=doc.name, enqueue_after_commit=True)
	doc.db_set({"media_status": "Failed", "error": media.error}, update_modified=False)


def fetch_media(name: str) -> bool:
	"""Fetches the file of a message from the gateway; tells whether the gateway was there."""
	if not frappe.db.exists(DOCTYPE, name):
		return True
	doc = frappe.get_doc(DOCTYPE, name)
	if doc.media_status != "Pending" or not doc.media_url or not connection.is_enabled():
		return True
	try:
		data, mime_type = connection.get_gateway(timeout=60).fetch_media(doc.media_url, _max_bytes())
	except GatewayError as error:
		if error.code == "too_large":
			doc.db_set({"media_status": "Too Large", "error": error.message})
		elif not error.temporary:
			doc.db_set({"media_status": "Failed", "error": error.message})
		else:
			# It stays Pending, behind the others: the scheduler asks again.
			doc.db_set("media_status", "Pending")
		return not error.away
	# The job of the message and the scheduler may fetch it at once: the first one keeps it.
	if frappe.db.get_value(DOCTYPE, name, "media_status", for_update=True) != "Pending":
		return True
	if not doc.mime_type:
		doc.mime_type = mime_type
	store_media(doc, data)
	notify.message_changed(doc)
	return True


def fetch_pending():
	"""Tries again for files that could not be fetched; gives up after a day, when the gateway's addresses have expired."""
	from frappe.utils import add_to_date

	day_ago = add_to_date(None, days=-1, as_datetime=True)
	pending = {"media_status": "Pending", "media_url": ("is", "set")}
	recent = {**pending, "creation": (">", day_ago)}
	for name in frappe.get_all(DOCTYPE, filters=recent, pluck="name", order_by="modified", limit=50):
		is_there = fetch_media(name)
		frappe.db.commit()
		if not is_there:
			break
	late = frappe.get_all(
		DOCTYPE,
		filters={"media_status": "Pending", "direction": "Incoming", "creation": ("<", day_ago)},
		pluck="name",
		limit=500,
	)
	for name in late:
		frappe.db.set_value(DOCTYPE, name, {"media_status": "Failed", "error": _("The file could not be fetched")})


def store_media(doc, data: bytes):
	"""Keeps a file as private, on the Communication when there is one."""
	if len(data) > _max_bytes():
		return doc.db_set({"media_status": "Too Large"}, update_modified=False)
	filename = doc.filename or _safe_name("") + _extension(doc.mime_type)
	file = frappe.get_doc(
		{
			"doctype": "File",
			"file_name": filename,
			"content": data,
			"is_private": 1,
			"attached_to_doctype": "Communication" if doc.communication else DOCTYPE,
			"attached_to_name": doc.communication or doc.name,
		}
	)
	file.flags.ignore_permissions = True
	file.insert(ignore_permissions=True)
	doc.db_set(
		{"media": file.file_url, "filename": filename, "media_status": "Stored", "media_url": None, "error": None},
		update_modified=False,
	)
	if doc.communication:
		frappe.db.set_value("Communication", doc.communication, "has_attachment", 1, update_modified=False)


def _max_bytes() -> int:
	return max(1, cint(connection.settings().max_inline_media_mb) or 16) * 1024 * 1024


def _safe_name(filename: str) -> str:
	name = "".join("_" if char in _UNSAFE_IN_NAMES or ord(char) < 32 else char for char in filename or "").strip(" .")
	stem, dot, extension = name.rpartition(".")
	# Browsers must never take what a stranger sent for a page of this site.
	if extension.lower() in ("html", "htm", "xhtml", "svg", "xml", "js", "mjs"):
		name = f"{stem}{dot}{extension}.txt"
	return name[-120:] or "file"


def _extension(mime_type: str | None) -> str:
	import mimetypes

	return mimetypes.guess_extension((mime_type or "").split(";")[0].strip()) or ".bin"
