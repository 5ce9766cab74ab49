# Copyright (c) 2026, WapBridge Contributors
# For license information, please see license.txt

import frappe
from frappe import _
from frappe.model.document import Document

from wap_bridge import connection
from wap_bridge.wire import phone


class WapBridgeContact(Document):
	def validate(self):
		if self.phone:
			try:
				self.phone = phone.to_e164(self.phone, connection.default_country())
			except phone.InvalidNumber as error:
				frappe.throw(frappe.utils.escape_html(str(error)))
		if not self.phone and not self.lid:
			frappe.throw(_("A phone number is needed"), frappe.MandatoryError)
		self.title = self.title or self.profile_name or self.phone or self.lid
		if self.opted_out and not self.opted_out_on:
			self.opted_out_on = frappe.utils.now_datetime()
		elif not self.opted_out:
			self.opted_out_on = None
