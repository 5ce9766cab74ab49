# Copyright (c) 2026, WapBridge Contributors
# For license information, please see license.txt

from frappe.model.document import Document
from frappe.utils.jinja import validate_template


class WapBridgeTemplate(Document):
	def validate(self):
		validate_template(self.message)
