"""Campaigns: the gateway's own methods by name, so that a site can stand in for it, and what the forms need."""

import frappe
from frappe import _
from frappe.utils import cint
from frappe.utils.file_lock import LockTimeoutError

from wap_bridge import campaign_prepare, campaign_recipients, campaign_sources, campaign_sync, connection
from wap_bridge.campaign_sources import Person

DOCTYPE = "WapBridge Campaign"
RECIPIENT = "WapBridge Campaign Recipient"
NUMBER_KEYS = ("phone_number", "to_number", "phone", "mobile", "mobile_no", "number", "to")
# Up to so many recipients a call waits until the gateway has them.
AT_ONCE = 2000
# How long a call waits while a worker prepares the same campaign.
WAIT_SECONDS = 10


@frappe.whitelist(methods=["POST"])
def create_and_start_campaign(
	instance_id: str | None = None,
	campaign_name: str | None = None,
	message: str | None = None,
	recipients: list | str | None = None,
) -> dict:
	"""Makes a campaign for the given numbers and starts it (seed 004)."""
	persons = _persons(recipients)
	campaign = frappe.get_doc(
		{
			"doctype": DOCTYPE,
			"title": (campaign_name or _("Campaign")).strip()[:140],
			"instance": instance_id or connection.settings().default_instance,
			"message": message,
			"source_type": "Manual",
		}
	).insert()
	campaign.db_set("status", "Preparing")
	return _hand_over(campaign.name, persons)


@frappe.whitelist(methods=["POST"])
def add_campaign_recipients(campaign: str, recipients: list | str | None = None) -> dict:
	"""Adds recipients to a campaign; a completed one goes on with them."""
	doc = _campaign(campaign, "write")
	if doc.status in ("Cancelled", "Failed"):
		frappe.throw(_("The campaign is {0}").format(_(doc.status)))
	persons = _persons(recipients)
	if doc.status == "Draft":
		campaign_recipients.write_recipients(doc, persons)
		return _receipt(doc.name)
	return _hand_over(doc.name, persons)


@frappe.whitelist(methods=["POST", "GET"])
def campaign_status(campaign: str) -> dict:
	"""Returns how far a campaign is, as this site knows it."""
	doc = _campaign(campaign, "read")
	fields = (
		"hold",
		"pause_reason",
		"error",
		"total",
		"queued",
		"sent",
		"delivered",
		"failed",
		"skipped",
		"uncertain",
		"cancelled",
	)
	return {
		"ok": True,
		"campaign": doc.name,
		"campaign_name": doc.title,
		"status": doc.status.lower(),
		"read": doc.read_count,
		**{name: doc.get(name) for name in fields},
		"duplicates": doc.duplicates,
		"next_send_at": doc.next_send_at,
		"eta_at": doc.eta_at,
		"started_at": doc.started_on,
		"finished_at": doc.finished_on,
	}


@frappe.whitelist(methods=["POST"])
def pause_campaign(campaign: str) -> dict:
	"""Pauses a campaign; a message on its way still goes out."""
	return _steer(campaign, "pause_campaign")


@frappe.whitelist(methods=["POST"])
def resume_campaign(campaign: str) -> dict:
	"""Goes on with a paused campaign, also with those whom the gateway has not got yet."""
	doc = _campaign(campaign, "write")
	if doc.gateway_campaign and frappe.db.exists(RECIPIENT, {"campaign": doc.name, "status": "Pending"}):
		doc.db_set("status", "Preparing")
		campaign_prepare.enqueue(doc.name, resolve=False)
		return campaign_status(campaign)
	return _steer(campaign, "resume_campaign")


@frappe.whitelist(methods=["POST"])
def cancel_campaign(campaign: str) -> dict:
	"""Ends a campaign; who has not been written to gets nothing."""
	_campaign(campaign, "write")
	# A worker that is about to let the gateway begin is waited for.
	doc = frappe.get_doc(DOCTYPE, campaign, for_update=True)
	if not doc.gateway_campaign:
		if doc.status not in ("Draft", "Preparing", "Failed", "Cancelled"):
			frappe.throw(_("The campaign is {0}").format(_(doc.status)))
		campaign_sync.write(doc.name, {"status": "Cancelled"})
		return campaign_status(campaign)
	return _steer(campaign, "cancel_campaign")


@frappe.whitelist(methods=["POST"])
def retry_failed(campaign: str) -> dict:
	"""Queues the failed recipients again."""
	return _steer(campaign, "retry_failed")


@frappe.whitelist(methods=["POST"])
def start_campaign(campaign: str) -> dict:
	"""Starts a draft: its recipients are found and handed over in the background."""
	campaign_prepare.start(_campaign(campaign, "write").name)
	return {"ok": True, "status": "Preparing"}


@frappe.whitelist(methods=["POST"])
def preview_recipients(campaign: str) -> dict:
	"""Returns how many people a draft would reach, and the first of them with their texts."""
	return {"ok": True, **campaign_recipients.preview(_campaign(campaign, "write"))}


@frappe.whitelist(methods=["POST"])
def refresh(campaign: str) -> dict:
	"""Asks the gateway how far a campaign is."""
	doc = _campaign(campaign, "read")
	with connection.shown_errors():
		campaign_sync.sync(doc.name)
	return campaign_status(campaign)


@frappe.whitelist(methods=["POST"])
def campaign_from_list(
	doctype: str,
	filters: dict | list | str | None = None,
	names: list | str | None = None,
	phone_field: str | None = None,
) -> dict:
	"""Makes a draft for the documents of a list: by its filters, or those that are ticked."""
	frappe.has_permission(doctype, "read", throw=True)
	names = frappe.parse_json(names) if isinstance(names, str) and names else names
	filters = (
		{"name": ["in", names]} if names else (frappe.parse_json(filters) if isinstance(filters, str) else filters)
	)
	return _draft(
		title=_("{0}: {1}").format(_(doctype), frappe.utils.nowdate()),
		source_type="List",
		source_doctype=doctype,
		source_filters=frappe.as_json(filters or {}),
		phone_field=phone_field,
	)


@frappe.whitelist(methods=["POST"])
def campaign_from_report(report: str, filters: dict | str | None = None, phone_field: str | None = None) -> dict:
	"""Makes a draft for the rows of a report."""
	if not frappe.get_doc("Report", report).is_permitted():
		frappe.throw(_("You may not see report {0}").format(frappe.utils.escape_html(report)), frappe.PermissionError)
	filters = frappe.parse_json(filters) if isinstance(filters, str) else filters
	return _draft(
		title=_("{0}: {1}").format(_(report), frappe.utils.nowdate()),
		source_type="Report",
		report=report,
		source_filters=frappe.as_json(filters or {}),
		phone_field=phone_field,
	)


@frappe.whitelist(methods=["POST", "GET"])
def phone_fields(doctype: str) -> dict:
	"""Returns the fields of a doctype that hold phone numbers."""
	frappe.has_permission(doctype, "read", throw=True)
	return {"ok": True, "fields": campaign_sources.phone_fields(doctype)}


def _draft(**fields) -> dict:
	doc = frappe.get_doc({"doctype": DOCTYPE, "instance": connection.settings().default_instance, **fields})
	# What is missing is asked for on the form.
	doc.flags.ignore_mandatory = True
	doc.flags.is_sketch = True
	doc.insert()
	return {"ok": True, "campaign": doc.name}


def _campaign(name: str, permission: str):
	doc = frappe.get_doc(DOCTYPE, name)
	doc.check_permission(permission)
	return doc


def _steer(campaign: str, action: str) -> dict:
	doc = _campaign(campaign, "write")
	if not doc.gateway_campaign:
		frappe.throw(_("The campaign has not been handed over yet: it is {0}").format(_(doc.status)))
	with connection.shown_errors():
		campaign_sync.apply(doc.name, connection.get_gateway().campaign(action, doc.gateway_campaign))
	return campaign_status(campaign)


def _hand_over(name: str, persons: list[Person]) -> dict:
	doc = frappe.get_doc(DOCTYPE, name)
	campaign_recipients.write_recipients(doc, persons)
	if len(persons) > AT_ONCE:
		campaign_prepare.enqueue(name, resolve=False)
		return _receipt(name)
	try:
		campaign_prepare.prepare(name, resolve=False, wait_seconds=WAIT_SECONDS)
	except LockTimeoutError:
		campaign_prepare.enqueue(name, resolve=False)
		return _receipt(name)
	trouble = frappe.db.get_value(DOCTYPE, name, "error")
	if trouble:
		frappe.throw(frappe.utils.escape_html(trouble))
	return _receipt(name)


def _receipt(name: str) -> dict:
	doc = frappe.get_doc(DOCTYPE, name)
	return {
		"ok": True,
		"campaign": doc.name,
		"status": doc.status.lower(),
		"total": cint(doc.total),
		"queued": cint(doc.queued) or cint(doc.total),
		"duplicates": cint(doc.duplicates),
		"invalid": (doc.unresolved_list or "").split("\n") if doc.unresolved else [],
	}


def _persons(recipients: list | str | None) -> list[Person]:
	if isinstance(recipients, str):
		text = recipients.strip()
		recipients = (
			frappe.parse_json(text) if text.startswith("[") else text.replace("\n", ",").replace(";", ",").split(",")
		)
	if not recipients or not isinstance(recipients, list):
		frappe.throw(_("{0} is required").format("recipients"), frappe.MandatoryError)
	persons = []
	for entry in recipients:
		if isinstance(entry, dict):
			fields = {**entry, **(entry.get("variables") if isinstance(entry.get("variables"), dict) else {})}
			number = next((str(entry[key]) for key in NUMBER_KEYS if entry.get(key)), "")
			persons.append(Person(number, str(fields.get("name") or ""), fields=fields))
		elif str(entry).strip():
			persons.append(Person(str(entry).strip()))
	return persons
