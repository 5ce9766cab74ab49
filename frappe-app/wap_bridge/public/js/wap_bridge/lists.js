import { call, may_manage, message_hint } from "./call";
import { escape } from "./markup";

/** Adds the WhatsApp actions to every list: a campaign to what is chosen, and each document to its own number. */
export function add_list_actions() {
	wrap(frappe.views.ListView, "get_actions_menu_items", function (items) {
		if (frappe.boot.wap_bridge.doctypes.includes(this.doctype)) {
			items.push({
				label: __("Send on WhatsApp"),
				action: () => send_documents(this.doctype, this.get_checked_items(true), () => this.clear_checked_items()),
				standard: true,
			});
		}
		if (may_manage()) {
			items.push({
				label: __("WhatsApp Campaign"),
				action: () => campaign_from_list(this.doctype, { names: this.get_checked_items(true) }),
				standard: true,
			});
		}
		return items;
	});
	wrap(frappe.views.ListView, "get_menu_items", function (items) {
		if (!may_manage()) return items;
		items.push({
			label: __("WhatsApp Campaign to This List"),
			action: () => campaign_from_list(this.doctype, { filters: this.get_filters_for_args() }),
			standard: true,
		});
		return items;
	});
}

/** Adds the campaign to the menu of every query report. */
export function add_report_action() {
	wrap(frappe.views.QueryReport, "get_menu_items", function (items) {
		items.push({
			label: __("WhatsApp Campaign to This Report"),
			action: () => campaign_from_report(this.report_name, this.get_filter_values()),
			standard: true,
		});
		return items;
	});
}

/** Lets a method's own result pass through `change`; where a version of Frappe has no such method, nothing happens. */
function wrap(view, method, change) {
	const original = view?.prototype?.[method];
	if (!original) return;
	view.prototype[method] = function (...args) {
		return change.call(this, original.apply(this, args));
	};
}

async function campaign_from_list(doctype, chosen) {
	const { fields } = await call("campaigns.phone_fields", { doctype });
	if (!fields.length) {
		frappe.msgprint(__("{0} has no field with a phone number.", [__(doctype)]));
		return;
	}
	const start = async ({ phone_field }) => {
		const args = { doctype, phone_field };
		if (chosen.names) args.names = JSON.stringify(chosen.names);
		if (chosen.filters) args.filters = JSON.stringify(chosen.filters);
		const { campaign } = await call("campaigns.campaign_from_list", args, { freeze_message: __("Loading") });
		frappe.set_route("Form", "WapBridge Campaign", campaign);
	};
	if (fields.length === 1) return start({ phone_field: fields[0].fieldname });
	frappe.prompt(
		{
			fieldtype: "Select",
			fieldname: "phone_field",
			label: __("Field with the Number"),
			options: fields.map(({ fieldname, label }) => ({ value: fieldname, label: `${__(label)} (${fieldname})` })),
			default: fields[0].fieldname,
			reqd: 1,
		},
		start,
		__("WhatsApp Campaign"),
		__("Continue")
	);
}

async function campaign_from_report(report, filters) {
	const { campaign } = await call(
		"campaigns.campaign_from_report",
		{ report, filters: JSON.stringify(filters) },
		{ freeze_message: __("Loading") }
	);
	frappe.set_route("Form", "WapBridge Campaign", campaign);
}

async function send_documents(doctype, names, done) {
	const options = await call("documents.get_send_options", { doctype, name: names[0] });
	const dialog = new frappe.ui.Dialog({
		title: __("Send {0} documents on WhatsApp", [names.length]),
		fields: [
			{
				fieldtype: "HTML",
				options: `<p>${__("Each document goes to its own number.")}</p>`,
			},
			{
				fieldtype: "Select",
				fieldname: "template",
				label: __("Template"),
				hidden: !options.templates.length,
				options: [{ value: "", label: "" }, ...options.templates.map((row) => ({ value: row.name, label: row.title }))],
			},
			{
				fieldtype: "Small Text",
				fieldname: "message",
				label: __("Message"),
				depends_on: "eval:!doc.template",
				description: message_hint(),
			},
			{
				fieldtype: "Check",
				fieldname: "attach_pdf",
				label: __("Attach PDF"),
				hidden: !options.can_print,
				default: options.attach_pdf ? 1 : 0,
			},
			{
				fieldtype: "Select",
				fieldname: "print_format",
				label: __("Print Format"),
				depends_on: "attach_pdf",
				options: options.print_formats,
				default: options.default_print_format,
			},
		],
		primary_action_label: __("Send"),
		primary_action: async (values) => {
			dialog.disable_primary_action();
			try {
				const answer = await call("documents.send_documents", {
					doctype,
					names: JSON.stringify(names),
					message: values.message,
					template: values.template,
					attach_pdf: options.can_print && values.attach_pdf ? 1 : 0,
					print_format: values.print_format,
				});
				dialog.hide();
				show_outcome(answer);
				done();
			} finally {
				dialog.enable_primary_action();
			}
		},
	});
	dialog.show();
}

function show_outcome({ queued, skipped }) {
	if (!skipped.length) {
		frappe.show_alert({ message: __("{0} WhatsApp messages queued", [queued]), indicator: "green" });
		return;
	}
	const rows = skipped.map(({ name, reason }) => `<li><strong>${escape(name)}</strong>: ${escape(reason)}</li>`).join("");
	frappe.msgprint({
		title: __("{0} WhatsApp messages queued", [queued]),
		indicator: "orange",
		message: `<p>${__("{0} were left out:", [skipped.length])}</p><ul>${rows}</ul>`,
	});
}
