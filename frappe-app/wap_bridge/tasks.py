"""What the scheduler does. Each asks the cache first whether there is anything to do."""

import frappe

from wap_bridge import connection
from wap_bridge.transport import GatewayError


def flush_outbox():
	"""Every minute: messages that are due, and files that could not be fetched."""
	if not connection.is_enabled():
		return
	from wap_bridge import delivery, inbox

	delivery.flush()
	inbox.fetch_pending()


def reconcile_statuses():
	"""Every ten minutes: what became of messages of which nothing was heard."""
	_quietly("wap_bridge.statuses.reconcile")


def sync_instances():
	"""Every ten minutes: how the instances are."""
	_quietly("wap_bridge.instances.sync")


def sync_campaigns():
	"""Every two minutes: how far the campaigns are, and those that were left behind."""
	_quietly("wap_bridge.campaign_prepare.take_up")
	_quietly("wap_bridge.campaign_sync.sync_all")


def clean_up():
	"""Every night: statuses for messages of somebody else, which nobody will claim any more."""
	event = frappe.qb.DocType("WapBridge Webhook Event")
	day_ago = frappe.utils.add_to_date(None, days=-1)
	frappe.qb.update(event).set(event.status, "Ignored").where(
		(event.status == "Waiting") & (event.creation < day_ago)
	).run()


def _quietly(path: str):
	"""A gateway that is down for a while is no error of this site: the next run asks again."""
	if not connection.is_enabled():
		return
	try:
		frappe.get_attr(path)()
	except GatewayError as error:
		frappe.logger("wap_bridge").warning("%s: %s", path, error.message)
