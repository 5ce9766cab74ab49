import { open_conversation } from "./conversation";
import { open_send_dialog } from "./send_dialog";

// People and companies: what is said to them is read as one conversation.
const PARTIES = ["Customer", "Supplier", "Lead", "Contact", "Opportunity", "Employee"];

/** Adds Send → WhatsApp to the forms of these DocTypes. */
export function add_form_buttons(doctypes) {
	for (const doctype of doctypes) frappe.ui.form.on(doctype, { refresh: add_buttons });
}

function add_buttons(frm) {
	if (frm.is_new()) return;
	frm.add_custom_button(__("WhatsApp"), () => open_send_dialog(frm), __("Send"));
	if (!PARTIES.includes(frm.doctype)) return;
	frm.page.add_menu_item(__("WhatsApp Conversation"), () =>
		open_conversation({ doctype: frm.doctype, name: frm.doc.name, title: frm.get_title() })
	);
}
