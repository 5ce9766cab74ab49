"""The site's settings and its gateway. Nothing here asks the database when the settings are in the cache."""

from contextlib import contextmanager

import frappe
from frappe import _

from wap_bridge.gateway import Gateway
from wap_bridge.transport import GatewayError

SETTINGS = "WapBridge Settings"


def settings():
	"""Returns WapBridge Settings from the cache; not to be changed."""
	return frappe.get_cached_doc(SETTINGS)


def is_enabled() -> bool:
	"""Tells whether the app is configured and switched on."""
	return bool(settings().enabled and settings().gateway_url)


def get_gateway(timeout: int | None = None) -> Gateway:
	"""Returns the site's gateway.

	:raises GatewayError: when it is not configured.
	"""
	doc = settings()
	if not is_enabled():
		raise GatewayError(
			_("WapBridge is not enabled: enter the gateway in WapBridge Settings"), code="not_configured"
		)
	return Gateway(
		doc.gateway_url,
		doc.api_key,
		doc.get_password("api_secret", raise_exception=False),
		timeout=timeout or doc.request_timeout or 30,
	)


@contextmanager
def shown_errors():
	"""Turns what the gateway says into a message for the person who asked; its log has neither credentials nor traceback."""
	trouble = None
	try:
		yield
	except GatewayError as error:
		trouble = error
	if trouble:
		frappe.throw(frappe.utils.escape_html(trouble.message), title=_("WapBridge Gateway"))


def default_country() -> str | None:
	"""Returns the ISO code by which local numbers are read, such as TZ."""
	return country_code(settings().default_country)


def country_code(country: str | None) -> str | None:
	"""Returns the ISO code of a Country, such as TZ."""
	if not country:
		return None
	code = frappe.db.get_value("Country", country, "code", cache=True)
	return code.upper() if code else None
