"""A campaign's rows go to the gateway, portion by portion, and the gateway begins."""

import base64
import hashlib
from zoneinfo import ZoneInfo

import frappe
from frappe import _
from frappe.utils import cint, get_datetime, get_system_timezone

from wap_bridge import campaign_sync, connection
from wap_bridge.attachments import mime_type_of
from wap_bridge.wire import payload as wire

DOCTYPE = "WapBridge Campaign"
RECIPIENT = "WapBridge Campaign Recipient"
PORTION = 10_000
WRITE = 1000
MAX_FILE_BYTES = 16 * 1024 * 1024


def hand_over(name: str):
	"""Gives the gateway whoever is still Pending, portion by portion, and lets it begin. Each portion is safe to repeat."""
	campaign = frappe.get_doc(DOCTYPE, name)
	gateway = connection.get_gateway(timeout=120)
	while rows := frappe.get_all(
		RECIPIENT,
		filters={"campaign": name, "status": "Pending"},
		fields=["name", "phone", "message"],
		order_by="name",
		limit=PORTION,
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
		file = frappe.get_doc("File", {"file_url": campaign.media})
		data = file.get_content()
		data = data.encode() if isinstance(data, str) else data
		if len(data) > MAX_FILE_BYTES:
			frappe.throw(_("The file is larger than {0} MB").format(MAX_FILE_BYTES // 1024 // 1024))
		plan |= {
			"media_data": base64.b64encode(data).decode("ascii"),
			"mime_type": mime_type_of(file.file_name),
			"filename": file.file_name,
		}
	return plan


def _with_zone(value) -> str | None:
	if not value:
		return None
	return get_datetime(value).replace(tzinfo=ZoneInfo(get_system_timezone())).isoformat()


def _window(campaign) -> dict | None:
	days = [day.strip().lower()[:3] for day in (campaign.window_days or "").split(",") if day.strip()]
	if not days and not campaign.window_from:
		return None
	window = {"zone": get_system_timezone()}
	if days:
		window["days"] = days
	if campaign.window_from:
		window |= {"from": campaign.window_from, "to": campaign.window_to}
	return window
