"""WhatsApp for Frappe and ERPNext, through a WapBridge gateway."""

__version__ = "1.0.0"
