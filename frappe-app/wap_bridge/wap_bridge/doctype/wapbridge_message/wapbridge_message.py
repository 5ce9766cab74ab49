# Copyright (c) 2026, WapBridge Contributors
# For license information, please see license.txt

import frappe
from frappe.model.document import Document
from frappe.query_builder import Interval
from frappe.query_builder.functions import Now


class WapBridgeMessage(Document):
	@staticmethod
	def clear_old_logs(days: int = 180):
		"""Deletes old messages that are done with; runs where Log Settings names this doctype."""
		table = frappe.qb.DocType("WapBridge Message")
		frappe.db.delete(
			table, filters=(table.creation < (Now() - Interval(days=days))) & table.status.notin(["Queued", "Sending"])
		)


def on_doctype_update():
	"""The outbox, the reconciliation, the timeline and the conversation each find their rows by an index."""
	frappe.db.add_index("WapBridge Message", ["status", "next_attempt_at"])
	frappe.db.add_index("WapBridge Message", ["reference_doctype", "reference_name", "creation"])
	frappe.db.add_index("WapBridge Message", ["phone", "creation"])
	frappe.db.add_index("WapBridge Message", ["media_status", "creation"])
