// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

frappe.ui.form.on("WapBridge Contact", {
	refresh(frm) {
		if (frm.is_new() || !frm.doc.phone) return;
		frm.add_custom_button(__("Conversation"), () =>
			wap_bridge.open_conversation({ phone: frm.doc.phone, title: frm.doc.title })
		);
	},
});
