"""What a webhook says, read with suspicion: every field has a type and a length before anything is done with it."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone

MAX_TEXT = 65_536


class MalformedPayload(ValueError):
	"""The body is not what the gateway sends; trying again would not help."""


@dataclass(frozen=True)
class Media:
	"""A file of a message: inline, or to be fetched from the gateway; both None when there is none any more."""

	mime_type: str
	filename: str
	data: str | None = field(default=None, repr=False)
	url: str | None = None
	error: str | None = None


@dataclass(frozen=True)
class Inbound:
	"""A message that somebody wrote, or, with `from_me`, that was sent from the phone itself."""

	id: str
	chat_id: str
	sender_phone: str | None
	sender_lid: str | None
	sender_name: str
	is_group: bool
	from_me: bool
	type: str
	text: str
	happened_at: datetime
	media: Media | None


def parse_body(body: bytes) -> dict:
	"""Returns the body as an object.

	:raises MalformedPayload: when it is no JSON object, or names no instance.
	"""
	try:
		payload = json.loads(body)
	except (ValueError, UnicodeDecodeError, RecursionError):
		raise MalformedPayload("The body is not JSON") from None
	if not isinstance(payload, dict):
		raise MalformedPayload("The body is not a JSON object")
	return payload


def event_of(payload: dict) -> str:
	"""Returns the event's name; the source's own body has none, and is a message."""
	event = text(payload.get("event"), 60)
	return event or ("message.received" if isinstance(payload.get("message"), dict) else "")


def inbound(payload: dict) -> Inbound:
	"""Returns the message of `message.received`.

	`phone_number` and `message.to` are the instance's own number; who wrote is `sender_phone`, for `from` is often a `@lid`.

	:raises MalformedPayload: when it has no message with an id.
	"""
	message = payload.get("message")
	if not isinstance(message, dict) or not text(message.get("id"), 500):
		raise MalformedPayload("The body has no message with an id")
	source = text(message.get("from"), 140)
	chat_id = text(payload.get("chat_id"), 140) or source
	is_group = payload.get("is_group") is True or chat_id.endswith("@g.us")
	from_me = message.get("fromMe") is True
	# What was written on the phone itself belongs to whom it was written to.
	author = chat_id if from_me else text(message.get("author"), 140) if is_group else source
	phone = "" if from_me else digits(payload.get("sender_phone"))
	if not phone and author.endswith(("@c.us", "@s.whatsapp.net")):
		phone = digits(author.split("@", 1)[0].split(":", 1)[0])
	return Inbound(
		id=text(message.get("id"), 500),
		chat_id=chat_id,
		sender_phone=f"+{phone}" if phone else None,
		sender_lid=author if author.endswith("@lid") else None,
		sender_name="" if from_me else person_name(payload.get("sender_name")),
		is_group=is_group,
		from_me=from_me,
		type=text(message.get("type"), 40) or "chat",
		text=text(message.get("caption"), MAX_TEXT) or text(message.get("body"), MAX_TEXT),
		happened_at=moment(message.get("timestamp")),
		media=_media(message) if message.get("hasMedia") is True else None,
	)


def _media(message: dict) -> Media:
	media = message.get("media")
	error = text(message.get("media_error"), 200) or None
	if not isinstance(media, dict):
		return Media(mime_type="", filename="", error=error or "The file is not there any more")
	data = media.get("data")
	return Media(
		mime_type=text(media.get("mimetype"), 140),
		filename=text(media.get("filename"), 200),
		data=data if isinstance(data, str) and data else None,
		url=text(media.get("url"), 2000) or None,
		error=error,
	)


def dedupe_key(instance: str, message_id: str) -> str:
	"""Returns what is unique for a message: the same group message reaches two instances. At most 140 characters."""
	key = f"{instance}:{message_id}"
	return key if len(key) <= 140 else f"{instance}:{hashlib.sha256(message_id.encode()).hexdigest()}"


def text(value, limit: int) -> str:
	"""Returns the value when it is a text, without characters that databases refuse, at most so long; else an empty text."""
	if not isinstance(value, str):
		return ""
	return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:limit].strip()


def person_name(value) -> str:
	"""Returns a name that strangers gave themselves, on one line."""
	return " ".join(harmless(value, 200).split())


def harmless(value, limit: int = 500) -> str:
	"""Returns a text that does nothing where it is shown as HTML: Frappe does so with most fields, and cleans only what is saved
	as a document.
	"""
	return text(value, limit).replace("<", "‹").replace(">", "›")


def digits(value) -> str:
	"""Returns the digits of a phone number, an empty text when it is none."""
	value = str(value or "").strip().lstrip("+") if isinstance(value, str | int) and not isinstance(value, bool) else ""
	return value if value.isascii() and value.isdigit() and 5 <= len(value) <= 17 else ""


def moment(value) -> datetime:
	"""Returns Unix seconds or ISO 8601 as UTC; now for anything else, or what lies in the future."""
	now = datetime.now(timezone.utc)
	return min(timestamp(value) or now, now)


def timestamp(value) -> datetime | None:
	"""Returns Unix seconds or ISO 8601 as UTC, None for anything else."""
	try:
		if isinstance(value, str):
			found = datetime.fromisoformat(value.replace("Z", "+00:00"))
			return found.astimezone(timezone.utc) if found.tzinfo else found.replace(tzinfo=timezone.utc)
		if isinstance(value, int | float) and not isinstance(value, bool):
			return datetime.fromtimestamp(value, timezone.utc)
	except (ValueError, OverflowError, OSError):
		pass
	return None
