// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

(() => {
	frappe.listview_settings["WapBridge Message"] = {
		add_fields: ["status", "direction"],
		hide_name_column: true,

		get_indicator(doc) {
			return [__(doc.status), wap_bridge.message_color(doc.status), `status,=,${doc.status}`];
		},

		onload(listview) {
			if (!wap_bridge.may_send()) return;
			listview.page.add_actions_menu_item(__("Retry"), () => run(listview, "retry_message"), false);
			listview.page.add_actions_menu_item(__("Cancel"), () => run(listview, "cancel_message"), false);
		},
	};

	async function run(listview, method) {
		const names = listview.get_checked_items(true);
		let left_out = 0;
		for (const name of names) {
			try {
				await wap_bridge.call(`whatsapp.${method}`, { name }, { silent: true });
			} catch {
				left_out += 1;
			}
		}
		listview.clear_checked_items();
		listview.refresh();
		if (left_out) {
			frappe.show_alert({ message: __("{0} could not be changed", [left_out]), indicator: "orange" });
		}
	}
})();
