# Copyright (c) 2026, WapBridge Contributors
# For license information, please see license.txt

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import get_datetime, get_time, now_datetime
from frappe.utils.jinja import validate_template

GROUPS = {"Customer Group", "Email Group"}
# What the gateway has been told of cannot be changed here any more.
FIXED_AFTER_START = (
	"instance",
	"message",
	"media",
	"source_type",
	"source_doctype",
	"source_filters",
	"report",
	"group_name",
	"csv_file",
	"manual_numbers",
	"schedule_at",
	"end_at",
)


class WapBridgeCampaign(Document):
	def __setup__(self):
		# Frappe checks links before it lets us validate, and this one says where the other leads.
		self.group_doctype = self.source_type if self.get("source_type") in GROUPS else None

	def validate(self):
		if not self.is_new() and (self.gateway_campaign or self.status not in ("Draft", "Failed")):
			changed = [field for field in FIXED_AFTER_START if self.has_value_changed(field)]
			if changed:
				labels = ", ".join(_(self.meta.get_label(field)) for field in changed)
				frappe.throw(_("A campaign that was started keeps its {0}: make a copy of it").format(labels))
		if not (self.message or "").strip() and not self.media and not self.flags.is_sketch:
			frappe.throw(_("A campaign needs a message or a file"), frappe.MandatoryError)
		validate_template(self.message)
		if not self.group_doctype:
			self.group_name = None
		if self.source_filters:
			try:
				frappe.parse_json(self.source_filters)
			except ValueError:
				frappe.throw(_("Filters are not valid JSON"))
		self._validate_times()

	def _validate_times(self):
		if bool(self.window_from) != bool(self.window_to):
			frappe.throw(_("Enter both From and To, or neither"))
		for field in ("window_from", "window_to"):
			self.set(field, self._time_of_day(self.get(field)))
		if self.end_at and get_datetime(self.end_at) <= (
			get_datetime(self.schedule_at) if self.schedule_at else now_datetime()
		):
			if self.status == "Draft":
				frappe.throw(_("End At must be later than the start"))

	def _time_of_day(self, value):
		# No Time field: those of a new document hold the present moment, which is no window at all.
		if not value:
			return None
		try:
			return get_time(value).strftime("%H:%M")
		except ValueError:
			frappe.throw(_("{0} is not a time of day such as 08:00").format(value))

	def on_trash(self):
		if self.status not in ("Draft", "Completed", "Cancelled", "Failed"):
			frappe.throw(_("Cancel the campaign first: it is {0}").format(_(self.status)))
		frappe.db.delete("WapBridge Campaign Recipient", {"campaign": self.name})
