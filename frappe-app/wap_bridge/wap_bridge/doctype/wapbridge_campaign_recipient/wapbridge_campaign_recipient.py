# Copyright (c) 2026, WapBridge Contributors
# For license information, please see license.txt

import frappe
from frappe.model.document import Document


class WapBridgeCampaignRecipient(Document):
	pass


def on_doctype_update():
	"""A number gets each campaign once."""
	frappe.db.add_unique("WapBridge Campaign Recipient", ["campaign", "phone"], constraint_name="unique_campaign_phone")
	frappe.db.add_index("WapBridge Campaign Recipient", ["campaign", "status"])
