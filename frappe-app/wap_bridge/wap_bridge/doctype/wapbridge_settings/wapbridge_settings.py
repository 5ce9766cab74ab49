# Copyright (c) 2026, WapBridge Contributors
# For license information, please see license.txt

import frappe
from frappe import _
from frappe.model.document import Document

from wap_bridge import directory
from wap_bridge.gateway import Gateway
from wap_bridge.transport import GatewayError


class WapBridgeSettings(Document):
	def validate(self):
		if self.gateway_url:
			self.gateway_url = self._base_of_gateway()
		if self.enabled and not (self.api_key and self.api_secret):
			frappe.throw(_("Enter the API key and secret of the gateway"), frappe.MandatoryError)
		if self.use_for_sms and not self.enabled:
			frappe.throw(_("SMS can only be taken over while WapBridge is enabled"))

	def _base_of_gateway(self) -> str:
		try:
			return Gateway(self.gateway_url, "", "").base
		except GatewayError as error:
			frappe.throw(_(error.message))

	def on_update(self):
		before = self.get_doc_before_save()
		country_changed = bool(before) and before.default_country != self.default_country
		if self.enabled and (not self.contacts_indexed_on or country_changed):
			directory.enqueue_index_all()
