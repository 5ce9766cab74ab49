"""A campaign's start: its people become rows with a number and a text each, and the gateway gets them in portions."""

import hashlib
from collections.abc import Iterable

import frappe
from frappe import _
from frappe.utils import add_to_date, cint, get_datetime, now_datetime
from frappe.utils.jinja import validate_template

from wap_bridge import campaign_sync, connection, locks
from wap_bridge.campaign_sources import Person, people
from wap_bridge.gateway import GatewayError
from wap_bridge.wire import payload as wire
from wap_bridge.wire import phone

DOCTYPE = "WapBridge Campaign"
RECIPIENT = "WapBridge Campaign Recipient"
WRITE = 1000
HAND_OVER = 10_000
SHOWN = 20
MAX_FILE_BYTES = 16 * 1024 * 1024
# Less than a job of the long queue may take.
PATIENCE = 3000
# After so long without a worker a campaign is taken up again.
PATIENCE_MINUTES = 10


class Unwritable(Exception):
	"""Somebody cannot be written to; the text says why."""


def start(name: str):
	"""Marks a draft as started; a worker does the rest after the commit, as the user who started it."""
	campaign = frappe.get_doc(DOCTYPE, name, for_update=True)
	campaign.check_permission("write")
	if campaign.status != "Draft" and not (campaign.status == "Failed" and not campaign.gateway_campaign):
		frappe.throw(_("The campaign is {0} already").format(_(campaign.status)))
	connection.get_gateway()
	campaign.db_set({"status": "Preparing", "error": None})
	enqueue(name)


def enqueue(name: str, **options):
	"""Lets a worker prepare a campaign after the commit."""
	frappe.enqueue(
		"wap_bridge.campaign_prepare.prepare",
		queue="long",
		timeout=3600,
		enqueue_after_commit=True,
		name=name,
		**options,
	)


def take_up():
	"""Goes on with campaigns that were left behind: their worker died, found no queue, or could not reach the gateway."""
	long_ago = add_to_date(now_datetime(), minutes=-PATIENCE_MINUTES)
	left = frappe.get_all(DOCTYPE, filters={"status": "Preparing", "modified": ("<", long_ago)}, pluck="name")
	for name in frappe.get_all(DOCTYPE, filters={"status": ("in", ("Scheduled", "Running"))}, pluck="name"):
		if frappe.db.exists(RECIPIENT, {"campaign": name, "status": "Pending", "creation": ("<", long_ago)}):
			left.append(name)
	for name in left:
		# What the gateway has begun to take was found completely.
		resolve = not frappe.db.get_value(DOCTYPE, name, "gateway_campaign")
		job = {"job_id": f"wapbridge-campaign-{name}-left", "deduplicate": True}
		enqueue(name, resolve=resolve, wait_seconds=1, **job)


def prepare(name: str, resolve: bool = True, wait_seconds: int = PATIENCE):
	"""Finds the recipients, unless they are there, and hands them to the gateway; what goes wrong stands on the campaign.

	One at a time: two with different parts of a list would make two campaigns at the gateway. The later one waits, and then finds little
	left to do; LockTimeoutError when that takes too long.
	"""
	with locks.alone(f"campaign_{name}", wait_seconds):
		_prepare(name, resolve)


def _prepare(name: str, resolve: bool):
	trouble = None
	try:
		if resolve:
			write_recipients(frappe.get_doc(DOCTYPE, name))
		hand_over(name)
	except GatewayError as error:
		trouble = error.message
	except frappe.ValidationError as error:
		trouble = frappe.utils.strip_html(str(error))
	except Exception:
		frappe.db.rollback()
		frappe.log_error(
			title="WapBridge: a campaign could not be prepared", reference_doctype=DOCTYPE, reference_name=name
		)
		trouble = _("It could not be prepared: see Error Log")
	if trouble:
		frappe.db.rollback()
		campaign = frappe.db.get_value(DOCTYPE, name, ["status", "gateway_campaign"], as_dict=True, for_update=True)
		values = {"error": wire.harmless(trouble)}
		if campaign.status == "Preparing":
			# What the gateway has goes on from there; the rest is handed over when somebody starts it again.
			values["status"] = "Paused" if campaign.gateway_campaign else "Failed"
		if campaign.status != "Cancelled":
			campaign_sync.write(name, values)
		frappe.db.commit()


def write_recipients(campaign, persons: Iterable[Person] | None = None) -> dict:
	"""Writes one row for each number; returns and stores how many there are, and who has none. Can be done again."""
	unresolved: list[str] = []
	count = {"unresolved": 0, "duplicates": 0}
	before = frappe.db.count(RECIPIENT, {"campaign": campaign.name})
	seen = 0
	for rows in _portions(
		_rows(campaign, persons if persons is not None else people(campaign), unresolved, count), WRITE
	):
		seen += len(rows)
		_insert(campaign.name, rows)
		frappe.db.commit()
	total = frappe.db.count(RECIPIENT, {"campaign": campaign.name})
	values = {
		"total": total,
		"duplicates": max(0, seen - (total - before)),
		"unresolved": count["unresolved"],
		"unresolved_list": "\n".join(unresolved) or None,
	}
	campaign_sync.write(campaign.name, values)
	frappe.db.commit()
	if total == 0:
		frappe.throw(_("Nobody with a phone number was found"))
	return values


def preview(campaign) -> dict:
	"""Returns whom the campaign would reach, without writing anything."""
	unresolved: list[str] = []
	count = {"unresolved": 0}
	numbers: set[str] = set()
	sample = []
	for row in _rows(campaign, people(campaign), unresolved, count):
		if row["phone"] not in numbers and len(sample) < SHOWN:
			sample.append({key: row[key] for key in ("phone", "recipient_name", "message")})
		numbers.add(row["phone"])
	return {"total": len(numbers), "unresolved": count["unresolved"], "unresolved_list": unresolved, "sample": sample}


def _rows(campaign, persons, unresolved, count):
	country = connection.country_code(campaign.country) or connection.default_country()
	render = renderer(campaign.message)
	for person in persons:
		try:
			number = phone.to_e164(next(iter(phone.split(person.number)), ""), country)
			text = render(person)
		except (phone.InvalidNumber, Unwritable) as error:
			count["unresolved"] += 1
			if len(unresolved) < SHOWN:
				unresolved.append(wire.harmless(f"{person.docname or person.name or person.number}: {error}", 140))
			continue
		yield {
			"phone": number,
			"recipient_name": wire.person_name(person.name),
			"reference_doctype": person.doctype,
			"reference_name": person.docname,
			"message": text,
		}


def renderer(message: str | None):
	"""Returns a function from a person to the person's text, None when all get the same."""
	message = message or ""
	if "{{" not in message and "{%" not in message:
		return lambda person: None
	if ".__" in message:
		frappe.throw(_("The message names something that templates may not use"))
	validate_template(message)
	template = frappe.get_jenv().from_string(message)
	wants_document = "doc." in message or "doc[" in message

	def render(person: Person) -> str:
		fields = {str(key): "" if value is None else value for key, value in person.fields.items()}
		context = {**fields, "recipient": frappe._dict(fields), "name": person.name}
		if wants_document and person.doctype:
			context["doc"] = frappe.get_doc(person.doctype, person.docname)
		text = template.render(context).strip()
		# Frappe leaves what it does not know as it stands, and nobody wants to get that.
		if "{{" in text:
			raise Unwritable(_("{0} is not known").format(text[text.index("{{") : text.index("{{") + 40]))
		if not text:
			raise Unwritable(_("the message is empty"))
		return text

	return render


def _insert(campaign: str, rows: list[dict]):
	phones = [row["phone"] for row in rows]
	gone = set(frappe.get_all("WapBridge Contact", filters={"opted_out": 1, "phone": ("in", phones)}, pluck="phone"))
	now, user = now_datetime(), frappe.session.user
	fields = [
		"name",
		"creation",
		"modified",
		"owner",
		"modified_by",
		"docstatus",
		"idx",
		"campaign",
		"status",
		"changed_on",
	]
	own = ["phone", "recipient_name", "reference_doctype", "reference_name", "message"]
	values = [
		(
			frappe.generate_hash(length=10),
			now,
			now,
			user,
			user,
			0,
			0,
			campaign,
			"Opted Out" if row["phone"] in gone else "Pending",
			now,
			*(row[name] for name in own),
		)
		for row in rows
	]
	frappe.db.bulk_insert(RECIPIENT, [*fields, *own], values, ignore_duplicates=True)


def hand_over(name: str):
	"""Gives the gateway whoever is still Pending, portion by portion, and lets it begin. Each portion is safe to repeat."""
	campaign = frappe.get_doc(DOCTYPE, name)
	gateway = connection.get_gateway(timeout=120)
	while rows := frappe.get_all(
		RECIPIENT,
		filters={"campaign": name, "status": "Pending"},
		fields=["name", "phone", "message"],
		order_by="name",
		limit=HAND_OVER,
	):
		if frappe.db.get_value(DOCTYPE, name, "status") == "Cancelled":
			break
		recipients = [_recipient(row) for row in rows]
		key = _key(campaign, rows)
		if campaign.gateway_campaign:
			answer = gateway.campaign(
				"add_campaign_recipients", campaign.gateway_campaign, key=key, recipients=recipients
			)
		else:
			answer = gateway.create_campaign(key=key, start=False, recipients=recipients, **_plan(campaign))
			campaign.gateway_campaign = answer.get("campaign")
			campaign_sync.write(name, {"gateway_campaign": campaign.gateway_campaign})
		_mark(name, rows, answer)
		frappe.db.commit()
	# Who cancels now waits until the gateway has begun, and then cancels there.
	status = frappe.db.get_value(DOCTYPE, name, "status", for_update=True)
	if campaign.gateway_campaign:
		# A campaign that only got more people goes on, or stays paused, as it was.
		action = {"Preparing": "resume_campaign", "Cancelled": "cancel_campaign"}.get(status, "campaign_status")
		campaign_sync.apply(name, gateway.campaign(action, campaign.gateway_campaign))
	elif status != "Cancelled":
		frappe.throw(_("Everybody on the list has opted out"))
	frappe.db.commit()


def _recipient(row) -> dict:
	return {"phone_number": row.phone} if row.message is None else {"phone_number": row.phone, "text": row.message}


def _key(campaign, rows) -> str:
	"""The same portion of the same campaign of the same site is the same call."""
	content = "\n".join([frappe.local.site, campaign.name, str(campaign.creation), *(row.name for row in rows)])
	return "frappe-campaign-" + hashlib.sha256(content.encode()).hexdigest()[:40]


def _mark(name: str, rows, answer: dict):
	"""Writes down that the gateway has the rows, and which of them it does not want."""
	invalid = {}
	for refused in answer.get("invalid") or []:
		if isinstance(refused, dict):
			invalid["+" + str(refused.get("number") or "").lstrip("+")] = wire.harmless(
				str(refused.get("reason") or ""), 200
			)
	table = frappe.qb.DocType(RECIPIENT)
	names = [row.name for row in rows]
	for start in range(0, len(names), WRITE):
		part = names[start : start + WRITE]
		frappe.qb.update(table).set(table.status, "Queued").where(table.name.isin(part)).run()
	for row in rows:
		if row.phone in invalid:
			frappe.db.set_value(
				RECIPIENT, row.name, {"status": "Invalid Number", "reason": invalid[row.phone]}, update_modified=False
			)


def _plan(campaign) -> dict:
	"""Returns the campaign in the gateway's words."""
	has_own_texts = "{{" in (campaign.message or "") or "{%" in (campaign.message or "")
	pacing = {
		"median_seconds": campaign.median_seconds or None,
		"min_seconds": campaign.min_seconds or None,
		"max_seconds": campaign.max_seconds or None,
		"daily_cap": cint(campaign.daily_cap) or None,
	}
	pacing = {name: value for name, value in pacing.items() if value is not None}
	plan = {
		"instance_id": campaign.instance,
		"campaign_name": campaign.title[:140],
		"message": "{{text}}" if has_own_texts else (campaign.message or None),
		"country": connection.country_code(campaign.country) or connection.default_country(),
		"schedule_at": _with_zone(campaign.schedule_at),
		"end_at": _with_zone(campaign.end_at),
		"pacing": pacing or None,
		"quiet_hours": False if campaign.no_quiet_hours else None,
		"window": _window(campaign),
	}
	if campaign.media:
		from wap_bridge.attachments import mime_type_of

		file = frappe.get_doc("File", {"file_url": campaign.media})
		data = file.get_content()
		data = data.encode() if isinstance(data, str) else data
		if len(data) > MAX_FILE_BYTES:
			frappe.throw(_("The file is larger than {0} MB").format(MAX_FILE_BYTES // 1024 // 1024))
		import base64

		plan |= {
			"media_data": base64.b64encode(data).decode("ascii"),
			"mime_type": mime_type_of(file.file_name),
			"filename": file.file_name,
		}
	return plan


def _zone() -> str:
	from frappe.utils import get_system_timezone

	return get_system_timezone()


def _with_zone(value) -> str | None:
	if not value:
		return None
	from zoneinfo import ZoneInfo

	return get_datetime(value).replace(tzinfo=ZoneInfo(_zone())).isoformat()


def _window(campaign) -> dict | None:
	days = [day.strip().lower()[:3] for day in (campaign.window_days or "").split(",") if day.strip()]
	if not days and not campaign.window_from:
		return None
	window = {"zone": _zone()}
	if days:
		window["days"] = days
	if campaign.window_from:
		window |= {"from": campaign.window_from, "to": campaign.window_to}
	return window


def _portions(rows, size):
	portion = []
	for row in rows:
		portion.append(row)
		if len(portion) == size:
			yield portion
			portion = []
	if portion:
		yield portion
