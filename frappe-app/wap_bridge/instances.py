"""The gateway's instances, as the site knows them."""

import frappe
from frappe import _
from frappe.utils import now_datetime

from wap_bridge import connection, notify
from wap_bridge.inbox import local_time
from wap_bridge.wire import payload as wire
from wap_bridge.wire import states

DOCTYPE = "WapBridge Instance"
# What a person has to do something about.
ALARMING = {"Logged Out", "Failed", "Action Required"}


def sync(rows: list[dict] | None = None) -> list[dict]:
	"""Brings WapBridge Instance to what the gateway says, and returns that."""
	rows = connection.get_gateway().list_instances() if rows is None else rows
	known = set(frappe.get_all(DOCTYPE, pluck="name"))
	for row in rows:
		name = row["instance_id"]
		if name not in known:
			add(name, wire.text(row.get("title"), 140))
		ready = wire.timestamp(row.get("last_ready_at"))
		set_state(
			name,
			status=wire.text(row.get("status"), 40),
			reason=wire.text(row.get("reason"), 500),
			phone_number=wire.digits(row.get("phone_number")),
			title=wire.text(row.get("title"), 140),
			last_ready_on=local_time(ready) if ready else None,
		)
	for name in known - {row["instance_id"] for row in rows}:
		set_state(name, status="missing", reason="")
	return rows


def add(name: str, title: str = "", default_country: str | None = None):
	"""Writes an instance of the gateway down."""
	return frappe.get_doc(
		{"doctype": DOCTYPE, "instance_id": name, "title": title or name, "default_country": default_country}
	).insert(ignore_permissions=True, ignore_if_duplicate=True)


def set_state(name: str, *, status: str, reason: str, phone_number: str = "", title: str = "", last_ready_on=None):
	"""Writes down how an instance is; says so to open forms, and to those who look after it when it needs a person."""
	current = frappe.db.get_value(
		DOCTYPE, name, ["status", "reason", "phone_number", "title", "last_ready_on"], as_dict=True, for_update=True
	)
	if not current:
		return
	values = {
		"status": states.INSTANCE_FROM_GATEWAY.get(status, "Missing" if status == "missing" else current.status),
		"reason": wire.harmless(reason) or None,
	}
	if phone_number:
		values["phone_number"] = f"+{phone_number}"
	if title:
		values["title"] = wire.harmless(title, 140)
	if last_ready_on:
		values["last_ready_on"] = last_ready_on
	elif values["status"] == "Ready" and current.status != "Ready":
		values["last_ready_on"] = now_datetime()
	changes = {field: value for field, value in values.items() if current.get(field) != value}
	if not changes:
		return
	frappe.db.set_value(DOCTYPE, name, changes)
	if "status" not in changes and "reason" not in changes:
		return
	data = {"instance": name, "status": values["status"], "reason": values["reason"]}
	notify.publish("wapbridge_instance", data, doctype=DOCTYPE, docname=name)
	if values["status"] in ALARMING and current.status not in ALARMING:
		title = frappe.utils.escape_html(values.get("title") or current.title or name)
		notify.tell_managers(_("WhatsApp of {0} needs you: {1}").format(title, _(values["status"])), DOCTYPE, name)
