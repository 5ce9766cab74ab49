# Copyright (c) 2026, WapBridge Contributors
# For license information, please see license.txt

from frappe.model.document import Document


class WapBridgeNotifiedUser(Document):
	pass
