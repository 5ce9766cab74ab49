# Copyright (c) 2026, WapBridge Contributors
# For license information, please see license.txt

import frappe
from frappe.model.document import Document
from frappe.query_builder import Interval
from frappe.query_builder.functions import Now


class WapBridgeWebhookEvent(Document):
	@staticmethod
	def clear_old_logs(days: int = 30):
		table = frappe.qb.DocType("WapBridge Webhook Event")
		frappe.db.delete(table, filters=(table.creation < (Now() - Interval(days=days))))
