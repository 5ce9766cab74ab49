"""A campaign's start: a worker finds its people and hands them over, one worker at a time, and again where one died."""

import frappe
from frappe import _
from frappe.utils import add_to_date, now_datetime

from wap_bridge import campaign_sync, connection, locks
from wap_bridge.campaign_hand_over import hand_over
from wap_bridge.campaign_recipients import write_recipients
from wap_bridge.transport import GatewayError
from wap_bridge.wire import payload as wire

DOCTYPE = "WapBridge Campaign"
RECIPIENT = "WapBridge Campaign Recipient"
# Less than a job of the long queue may take.
PATIENCE = 3000
# After so long without a worker a campaign is taken up again.
PATIENCE_MINUTES = 10


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
	scheduler = frappe.session.user
	try:
		for name in left:
			campaign = frappe.db.get_value(DOCTYPE, name, ["gateway_campaign", "modified_by"], as_dict=True)
			# A job runs as who asks for it, and whom a list holds is what its starter may read.
			frappe.set_user(campaign.modified_by)
			# What the gateway has begun to take was found completely.
			resolve = not campaign.gateway_campaign
			job = {"job_id": f"wapbridge-campaign-{name}-left", "deduplicate": True}
			enqueue(name, resolve=resolve, wait_seconds=1, **job)
	finally:
		frappe.set_user(scheduler)


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
