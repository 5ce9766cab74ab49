"""The gateway's webhook to this site: made, removed, and its secret changed without a gap."""

import secrets

import frappe
from frappe import _
from frappe.utils import get_url, now_datetime

from wap_bridge import connection, locks
from wap_bridge.transport import GatewayError
from wap_bridge.webhook_events import HANDLERS

METHOD = "/api/method/wap_bridge.api.webhook.receive"
TITLE = "Frappe"
# Two who press a button at once come one after the other: a second webhook would bring everything twice.
WAIT_SECONDS = 60
NEWER_EVENTS = {"message.sent", "message.edited", "message.revoked", "message.reaction"}


@locks.alone("webhook", WAIT_SECONDS)
def register() -> dict:
	"""Makes the gateway post its events to this site, or brings it up to date; a second one is never made."""
	settings = frappe.get_doc(connection.SETTINGS)
	gateway = connection.get_gateway()
	url = address()
	secret = settings.get_password("webhook_secret", raise_exception=False)
	if not secret:
		secret = _store_secret(settings, previous=None)
	webhooks = gateway.settings("list_webhooks").get("webhooks") or []
	existing = next((row for row in webhooks if row.get("webhook_id") == settings.webhook_id), None) or next(
		(row for row in webhooks if row.get("url") == url), None
	)
	wanted = {"url": url, "secret": secret, "title": f"{TITLE}: {frappe.local.site}"[:140]}
	if existing:
		wanted |= {"webhook_id": existing["webhook_id"], "secret_overlap_hours": 0, "enabled": True}
	webhook_id = _save(gateway, "update_webhook" if existing else "create_webhook", wanted)
	write({"webhook_id": webhook_id, "webhook_url": url})
	return {"url": url, "webhook_id": webhook_id}


def _save(gateway, action, wanted) -> str:
	try:
		answer = gateway.settings(action, again=False, events=list(HANDLERS), **wanted)
	except GatewayError as error:
		if error.code != "invalid_input" or "events" not in str(error.details.get("fields") or error.message):
			raise
		# An older gateway refuses events that it does not have.
		older = [event for event in HANDLERS if event not in NEWER_EVENTS]
		answer = gateway.settings(action, again=False, events=older, **wanted)
	return answer["webhook_id"]


@locks.alone("webhook", WAIT_SECONDS)
def unregister():
	"""Removes the webhook from the gateway."""
	webhook_id = connection.settings().webhook_id
	if webhook_id:
		try:
			connection.get_gateway().settings("delete_webhook", webhook_id=webhook_id)
		except GatewayError as error:
			if error.status != 404 or error.temporary:
				raise
	write({"webhook_id": None, "webhook_url": None})


def unregister_quietly():
	"""Removes the webhook when the gateway can be asked; for the uninstall, which nothing may stop."""
	try:
		if connection.settings().webhook_id and connection.is_enabled():
			connection.get_gateway(timeout=5).settings(
				"delete_webhook", again=False, webhook_id=connection.settings().webhook_id
			)
	except Exception as error:
		message = error.message if isinstance(error, GatewayError) else type(error).__name__
		print(f"The webhook could not be removed from the gateway: {message}")


@locks.alone("webhook", WAIT_SECONDS)
def rotate_secret():
	"""Changes the secret on both sides; for an hour this site takes the old one too."""
	settings = frappe.get_doc(connection.SETTINGS)
	old = settings.get_password("webhook_secret", raise_exception=False)
	secret = _store_secret(settings, previous=old)
	# The site must know it before the gateway does, and keep it when the gateway's answer is lost.
	frappe.db.commit()
	if settings.webhook_id:
		connection.get_gateway().settings(
			"update_webhook", webhook_id=settings.webhook_id, secret=secret, secret_overlap_hours=1
		)


def health() -> dict | None:
	"""Returns how the webhook is doing, as the gateway sees it; None when there is none."""
	webhook_id = connection.settings().webhook_id
	if not webhook_id:
		return None
	webhooks = connection.get_gateway().settings("list_webhooks").get("webhooks") or []
	return next((row for row in webhooks if row.get("webhook_id") == webhook_id), None)


def test() -> dict:
	"""Lets the gateway post a sample to this site and returns how that went."""
	webhook_id = connection.settings().webhook_id
	if not webhook_id:
		frappe.throw(_("Register the webhook first"))
	answer = connection.get_gateway().settings("test_webhook", again=False, webhook_id=webhook_id)
	return {name: answer.get(name) for name in ("delivered", "http_status", "error", "duration_ms")}


def address() -> str:
	"""Returns the address of the receiver, as the gateway reaches it."""
	base = (connection.settings().site_url or get_url()).rstrip("/")
	return base + METHOD


def _store_secret(settings, previous: str | None) -> str:
	from frappe.utils.password import set_encrypted_password

	secret = secrets.token_urlsafe(32)
	name = connection.SETTINGS
	set_encrypted_password(name, name, secret, "webhook_secret")
	values = {"webhook_secret": "*" * len(secret)}
	if previous:
		set_encrypted_password(name, name, previous, "webhook_secret_previous")
		values |= {"webhook_secret_previous": "*" * len(previous), "webhook_secret_rotated_on": now_datetime()}
	write(values)
	return secret


def write(values: dict):
	for field, value in values.items():
		frappe.db.set_single_value(connection.SETTINGS, field, value)
	frappe.clear_document_cache(connection.SETTINGS, connection.SETTINGS)
