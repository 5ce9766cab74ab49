// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

(() => {
	const CHANNEL = "WapBridge";
	const EXAMPLE = `*Invoice {{ doc.name }}*

Dear {{ doc.customer_name }}, {{ doc.get_formatted("grand_total") }} is due on {{ doc.get_formatted("due_date") }}.

{% if comments %}_{{ comments[-1].comment }}_{% endif %}`;

	// The stock form offers phone fields as recipients for the channels that it knows by name.
	wrap("setup_fieldname_select", (frm, original) => {
		if (frm.doc.channel !== CHANNEL || !frm.doc.document_type) return original(frm);
		// With the DocType at hand the stock part is done at once, and what stands below comes after it.
		frappe.model.with_doctype(frm.doc.document_type, () => {
			original(frm);
			const own = frappe.get_meta(frm.doc.document_type).fields.filter(holds_phone).map((df) => option(df));
			frm.fields_dict.recipients.grid.update_docfield_property("receiver_by_document_field", "options", [
				"",
				"owner",
				...own,
			]);
		});
	});

	wrap("setup_example_message", (frm, original) => {
		original(frm);
		if (frm.doc.channel !== CHANNEL) return;
		const example = frappe.utils.escape_html(EXAMPLE);
		frm.set_df_property("message_examples", "options", `<h5>${__("Message Example")}</h5><pre>${example}</pre>`);
	});

	frappe.ui.form.on("Notification", {
		refresh: show_state_of_channel,
		channel: show_state_of_channel,
	});

	function show_state_of_channel(frm) {
		if (frm.doc.channel !== CHANNEL) return;
		// Numbers and groups of our own field are recipients too.
		frm.toggle_reqd("recipients", false);
		if (!frm.is_new() && frm.doc.enabled) {
			frm.add_custom_button(__("WhatsApp Messages"), () =>
				frappe.set_route("List", "WapBridge Message", { notification: frm.doc.name })
			);
		}
	}

	function wrap(name, change) {
		const original = frappe.notification?.[name];
		if (!original || original.wap_bridge) return;
		frappe.notification[name] = (frm) => change(frm, original);
		frappe.notification[name].wap_bridge = true;
	}

	function holds_phone(df) {
		if (df.fieldtype === "Phone" || df.options === "Phone") return true;
		return df.fieldtype === "Data" && /(^|_)(mobile|phone|whatsapp)(_|$)/.test(df.fieldname);
	}

	function option(df) {
		return { value: df.fieldname, label: `${df.fieldname} (${__(df.label, null, df.parent)})` };
	}
})();
