// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

(() => {
	frappe.ui.form.on("WapBridge Instance", {
		refresh(frm) {
			if (frm.is_new()) return;
			frm.page.set_indicator(__(frm.doc.status), wap_bridge.instance_color(frm.doc.status));
			// The row of an instance that is gone from the gateway stays for its messages.
			if (frm.doc.status === "Missing" || !wap_bridge.may_manage()) return;
			const ready = frm.doc.status === "Ready";
			const stopped = ["Stopped", "Created"].includes(frm.doc.status);
			if (!ready) {
				frm.add_custom_button(__("Show QR Code"), () => link_phone(frm)).addClass("btn-primary");
			}
			if (stopped) {
				frm.add_custom_button(__("Connect"), () => run(frm, "connect"), __("Actions"));
			} else {
				frm.add_custom_button(__("Disconnect"), () => run(frm, "disconnect"), __("Actions"));
			}
			frm.add_custom_button(__("Refresh Status"), () => run(frm, "instance_status"), __("Actions"));
			frm.add_custom_button(
				__("Unlink the Phone"),
				() =>
					frappe.confirm(
						__("Unlink the phone from {0}? It has to scan a code again.", [frappe.utils.escape_html(frm.get_title())]),
						() => run(frm, "logout")
					),
				__("Actions")
			);
			frm.add_custom_button(
				__("Delete on the Gateway"),
				() =>
					frappe.confirm(
						__("Unlink the phone and remove {0} from the gateway?", [frappe.utils.escape_html(frm.get_title())]),
						() => run(frm, "delete_instance")
					),
				__("Actions")
			);
			frm.add_custom_button(__("Messages"), () =>
				frappe.set_route("List", "WapBridge Message", { instance: frm.doc.name })
			);
		},
	});

	async function link_phone(frm) {
		await wap_bridge.show_qr(frm.doc.name, frm.doc.title);
		frm.reload_doc();
	}

	async function run(frm, method) {
		await wap_bridge.call(
			`instances.${method}`,
			{ instance: frm.doc.name },
			{ freeze_message: __("Asking the gateway…") }
		);
		if (await frappe.db.exists("WapBridge Instance", frm.doc.name)) return frm.reload_doc();
		frappe.set_route("List", "WapBridge Instance");
	}

	// A state can change while the form is open: the page follows.
	frappe.realtime.on("wapbridge_instance", ({ instance }) => {
		if (cur_frm?.doctype === "WapBridge Instance" && cur_frm.doc.name === instance && !cur_frm.is_dirty()) {
			cur_frm.reload_doc();
		}
	});
})();
