// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

frappe.listview_settings["WapBridge Instance"] = {
	add_fields: ["status", "title"],
	hide_name_column: true,

	get_indicator(doc) {
		return [__(doc.status), wap_bridge.instance_color(doc.status), `status,=,${doc.status}`];
	},

	// An instance is made on the gateway; its row here comes with the answer.
	primary_action() {
		frappe.prompt(
			[
				{ fieldtype: "Data", fieldname: "title", label: __("Title"), reqd: 1 },
				{
					fieldtype: "Link",
					fieldname: "default_country",
					label: __("Default Country"),
					options: "Country",
					default: frappe.sys_defaults.country,
				},
			],
			async (values) => {
				const { instance } = await wap_bridge.call("instances.create_instance", values, {
					freeze_message: __("Starting WhatsApp…"),
				});
				await wap_bridge.show_qr(instance, values.title);
				cur_list?.refresh();
			},
			__("New Instance"),
			__("Create")
		);
	},

	onload(listview) {
		if (!wap_bridge.may_manage()) return;
		listview.page.add_inner_button(__("Sync with the Gateway"), async () => {
			await wap_bridge.call("instances.sync_instances", {}, { freeze_message: __("Asking the gateway…") });
			listview.refresh();
		});
	},
};
