// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

frappe.listview_settings["WapBridge Campaign Recipient"] = {
	add_fields: ["status"],
	hide_name_column: true,

	get_indicator(doc) {
		const color = { Pending: "gray", "Opted Out": "gray", "Invalid Number": "red", Duplicate: "gray" }[doc.status];
		return [__(doc.status), color ?? wap_bridge.message_color(doc.status), `status,=,${doc.status}`];
	},
};
