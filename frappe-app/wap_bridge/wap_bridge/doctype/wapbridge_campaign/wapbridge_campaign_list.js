// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

frappe.listview_settings["WapBridge Campaign"] = {
	add_fields: ["status", "total", "sent"],

	get_indicator(doc) {
		return [__(doc.status), wap_bridge.campaign_color(doc.status), `status,=,${doc.status}`];
	},
};
