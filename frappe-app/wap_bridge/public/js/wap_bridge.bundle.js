// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

// What the desk loads on every page: small, and idle until someone opens a form, a list or a report.

import { call, may_send, may_manage } from "./wap_bridge/call";
import { open_conversation } from "./wap_bridge/conversation";
import { add_form_buttons } from "./wap_bridge/form_buttons";
import { add_list_actions, add_report_action } from "./wap_bridge/lists";
import { to_html } from "./wap_bridge/markup";
import { listen_for_messages } from "./wap_bridge/notices";
import { show_qr } from "./wap_bridge/qr_dialog";
import { open_send_dialog } from "./wap_bridge/send_dialog";
import { campaign_color, instance_color, message_color } from "./wap_bridge/states";

frappe.provide("wap_bridge");
Object.assign(wap_bridge, {
	call,
	may_send,
	may_manage,
	open_conversation,
	open_send_dialog,
	show_qr,
	to_html,
	campaign_color,
	instance_color,
	message_color,
});

// Forms, lists and reports may open before the desk says that it is ready: these stand before them.
if (frappe.boot?.wap_bridge?.enabled) {
	$(document).on("startup", listen_for_messages);
	if (may_send()) {
		add_form_buttons(frappe.boot.wap_bridge.doctypes);
		add_list_actions();
	}
	if (may_manage()) add_report_action();
}
