// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

(() => {
	frappe.ui.form.on("WapBridge Message", {
		refresh(frm) {
			const { status, direction } = frm.doc;
			frm.disable_save();
			frm.page.set_indicator(__(status), wap_bridge.message_color(status));
			show_way(frm);
			if (frm.doc.phone && !frm.doc.is_group) {
				frm.add_custom_button(__("Conversation"), () =>
					wap_bridge.open_conversation({ phone: frm.doc.phone, title: frm.doc.profile_name })
				);
			}
			if (direction !== "Outgoing" || !wap_bridge.may_send()) return;
			if (["Failed", "Cancelled"].includes(status)) {
				frm.add_custom_button(__("Retry"), () => run(frm, "retry_message")).addClass("btn-primary");
			}
			if (status === "Uncertain") {
				frm.add_custom_button(__("Send Again"), () =>
					frappe.confirm(
						__("Nobody knows whether this message went out. Send it again, at the risk that it arrives twice?"),
						() => run(frm, "retry_message")
					)
				);
			}
			if (status === "Queued") frm.add_custom_button(__("Cancel"), () => run(frm, "cancel_message"));
		},
	});

	async function run(frm, method) {
		await wap_bridge.call(`whatsapp.${method}`, { name: frm.doc.name }, { freeze_message: __("Loading") });
		frm.reload_doc();
	}

	// Where the message is on its way, with the times that are known.
	function show_way(frm) {
		const doc = frm.doc;
		frm.dashboard.clear_headline();
		if (doc.direction !== "Outgoing") return;
		const stops = [
			[__("Queued"), doc.creation],
			[__("Sent"), doc.sent_on],
			[__("Delivered"), doc.delivered_on],
			[__("Read"), doc.read_on],
		];
		const way = stops
			.filter(([, at]) => at)
			.map(([label, at]) => `<span title="${frappe.datetime.str_to_user(at)}">${label} ${frappe.datetime.comment_when(at)}</span>`)
			.join(" → ");
		const error = doc.error ? `<div>${frappe.utils.escape_html(doc.error)}</div>` : "";
		frm.dashboard.set_headline(`${way}${error}`, doc.error ? "red" : "blue");
	}

	frappe.realtime.on("wapbridge_message", ({ name }) => {
		if (cur_frm?.doctype === "WapBridge Message" && cur_frm.doc.name === name) cur_frm.reload_doc();
	});
})();
