// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

(() => {
	frappe.ui.form.on("WapBridge Template", {
		setup(frm) {
			frm.set_query("print_format", () => ({ filters: { doc_type: frm.doc.document_type } }));
			frm.set_query("document_type", () => ({ filters: { istable: 0 } }));
		},

		refresh(frm) {
			if (!frm.doc.document_type) return;
			frm.add_custom_button(__("Preview"), () => preview(frm));
		},
	});

	function preview(frm) {
		frappe.prompt(
			{ fieldtype: "Link", fieldname: "name", label: __(frm.doc.document_type), options: frm.doc.document_type, reqd: 1 },
			async ({ name }) => {
				const { text } = await wap_bridge.call("documents.preview", {
					doctype: frm.doc.document_type,
					name,
					message: frm.doc.message,
				});
				frappe.msgprint({
					title: __("Preview"),
					message: `<div class="wapbridge-chat"><div class="wapbridge-bubble outgoing">${wap_bridge.to_html(text)}</div></div>`,
				});
			},
			__("Preview"),
			__("Show")
		);
	}
})();
