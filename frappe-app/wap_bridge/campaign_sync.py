"""How far campaigns are on the gateway: counters and state, and what became of each recipient."""

import frappe
from frappe.utils import cint, now_datetime
from frappe.utils.file_lock import LockTimeoutError

from wap_bridge import connection, locks, notify
from wap_bridge.inbox import local_time
from wap_bridge.transport import GatewayError
from wap_bridge.wire import payload as wire
from wap_bridge.wire import states

DOCTYPE = "WapBridge Campaign"
RECIPIENT = "WapBridge Campaign Recipient"
PAGE = 1000
# How long a look at the gateway waits for another one at the same campaign.
WAIT_SECONDS = 30
# So many pages in a run; the next run goes on where this one stopped.
PAGES = 25
COUNTERS = {
	"total": "total",
	"queued": "queued",
	"sent": "sent",
	"delivered": "delivered",
	"read": "read_count",
	"failed": "failed",
	"skipped": "skipped",
	"uncertain": "uncertain",
	"cancelled": "cancelled",
}
TIMES = {
	"hold_until": "hold_until",
	"next_send_at": "next_send_at",
	"eta_at": "eta_at",
	"started_at": "started_on",
	"finished_at": "finished_on",
}
PUBLISHED = ("status", "hold", "pause_reason", "error", *COUNTERS.values(), "next_send_at", "eta_at")


def sync_all():
	"""Brings every campaign that is not over to what the gateway says, and ended ones whose recipients are not all known."""
	names = frappe.get_all(
		DOCTYPE,
		filters={"gateway_campaign": ("is", "set"), "status": ("in", ("Scheduled", "Running", "Paused"))},
		pluck="name",
	)
	names += frappe.get_all(
		DOCTYPE,
		filters={
			"gateway_campaign": ("is", "set"),
			"status": ("in", ("Completed", "Cancelled", "Failed")),
			"sync_cursor": ("!=", "done"),
		},
		pluck="name",
	)
	for name in dict.fromkeys(names):
		sync(name)


def sync(name: str):
	"""Brings one campaign to what the gateway says.

	One at a time: what was read first would be written over what is true now.

	:raises GatewayError: when the gateway cannot be asked.
	"""
	try:
		with locks.alone(f"campaign_sync_{name}", WAIT_SECONDS):
			_sync(name)
	except LockTimeoutError:
		frappe.logger("wap_bridge").info("campaign %s is being looked at", name)


def _sync(name: str):
	campaign = frappe.db.get_value(DOCTYPE, name, ["gateway_campaign", "synced_counters", "sync_cursor"], as_dict=True)
	if not campaign or not campaign.gateway_campaign or not connection.is_enabled():
		return
	gateway = connection.get_gateway()
	try:
		answer = gateway.campaign("campaign_status", campaign.gateway_campaign)
	except GatewayError as error:
		if error.status == 404 and not error.temporary:
			write(name, {"status": "Failed", "error": wire.harmless(error.message), "sync_cursor": "done"})
			frappe.db.commit()
			return
		raise
	apply(name, answer)
	frappe.db.commit()
	ended = answer.get("status") in ("completed", "cancelled", "failed")
	counters = frappe.as_json({key: answer.get(key) for key in (*COUNTERS, "sending", "status")}, indent=None)
	# Nothing has changed since the last look at all recipients.
	if campaign.synced_counters == counters and campaign.sync_cursor in ("", None, "done"):
		return
	cursor = campaign.sync_cursor if campaign.sync_cursor not in (None, "done") else ""
	if not cursor:
		write(name, {"synced_counters": counters}, tell=False)
	cursor = _recipients(gateway, name, campaign.gateway_campaign, cursor)
	write(name, {"sync_cursor": cursor or ("done" if ended else "")}, tell=False)
	if ended and not cursor:
		_close(name)
	frappe.db.commit()


def apply(name: str, answer: dict):
	"""Writes what the gateway says about a campaign as a whole."""
	values = {
		"hold": wire.harmless(answer.get("hold"), 140) or None,
		"pause_reason": wire.harmless(answer.get("pause_reason"), 140) or None,
		"error": None,
		"synced_on": now_datetime(),
	}
	status = states.CAMPAIGN_FROM_GATEWAY.get(wire.text(answer.get("status"), 40))
	if status:
		values["status"] = status
	for theirs, ours in COUNTERS.items():
		if isinstance(answer.get(theirs), int):
			values[ours] = answer[theirs]
	for theirs, ours in TIMES.items():
		at = wire.timestamp(answer.get(theirs))
		values[ours] = local_time(at) if at else None
	if isinstance(answer.get("invalid_count"), int):
		values["invalid"] = answer["invalid_count"]
	# A site that has only handed over a part still counts all of its own rows.
	values["total"] = max(cint(values.get("total")), cint(frappe.db.get_value(DOCTYPE, name, "total")))
	write(name, values)


def write(name: str, values: dict, tell: bool = True):
	"""Writes fields of a campaign and tells open forms when what they show has changed."""
	before = frappe.db.get_value(DOCTYPE, name, list(values), as_dict=True)
	if before is None:
		return
	changed = {field: value for field, value in values.items() if before.get(field) != value}
	frappe.db.set_value(DOCTYPE, name, values, update_modified="status" in changed)
	if tell and any(field in PUBLISHED for field in changed):
		now = frappe.db.get_value(DOCTYPE, name, PUBLISHED, as_dict=True)
		notify.publish("wapbridge_campaign", {"campaign": name, **now}, doctype=DOCTYPE, docname=name)


def _recipients(gateway, name: str, gateway_campaign: str, cursor: str) -> str:
	"""Brings the recipients' rows up to date; returns where to go on, an empty text at the end."""
	for _page in range(PAGES):
		answer = gateway.campaign("campaign_recipients", gateway_campaign, limit=PAGE, after=cursor or None)
		rows = [row for row in answer.get("recipients") or [] if isinstance(row, dict)]
		_update(name, rows)
		frappe.db.commit()
		cursor = wire.text(answer.get("next"), 100)
		if not cursor:
			return ""
	return cursor


def _update(name: str, rows: list[dict]):
	"""Writes what has changed of a page of recipients, in a few statements."""
	told = {}
	for row in rows:
		status = states.RECIPIENT_FROM_GATEWAY.get(wire.text(row.get("status"), 40))
		number = wire.digits(row.get("phone_number"))
		if status and number:
			at = wire.timestamp(row.get("changed_at"))
			told[f"+{number}"] = {
				"status": status,
				"reason": wire.harmless(row.get("reason"), 200) or None,
				"message_id": wire.text(row.get("message_id"), 140) or None,
				"changed_on": local_time(at) if at else None,
			}
	known = frappe.get_all(
		RECIPIENT,
		filters={"campaign": name, "phone": ("in", list(told) or [""])},
		fields=["name", "phone", "status", "reason", "message_id"],
	)
	changed = {
		row.name: told[row.phone]
		for row in known
		if any(row.get(field) != told[row.phone][field] for field in ("status", "reason", "message_id"))
	}
	names = list(changed)
	for start in range(0, len(names), 250):
		_update_rows({key: changed[key] for key in names[start : start + 250]})


def _update_rows(rows: dict[str, dict]):
	from frappe.query_builder import Case

	table = frappe.qb.DocType(RECIPIENT)
	query = frappe.qb.update(table).where(table.name.isin(list(rows)))
	for field in ("status", "reason", "message_id", "changed_on"):
		case = Case()
		for name, values in rows.items():
			case = case.when(table.name == name, values[field])
		query = query.set(table[field], case)
	query.run()


def _close(name: str):
	"""Nobody stays Queued in a campaign that is over: whom the gateway did not list, it did not take."""
	table = frappe.qb.DocType(RECIPIENT)
	(
		frappe.qb.update(table)
		.set(table.status, "Cancelled")
		.set(table.reason, "not_taken")
		.where((table.campaign == name) & table.status.isin(["Pending", "Queued", "Sending"]))
	).run()
