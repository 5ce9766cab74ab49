import { call, message_hint } from "./call";
import { escape, to_html } from "./markup";

const PREVIEW_AFTER_MS = 400;

/** Opens the dialog that sends a document, or a word about it, to one number. */
export async function open_send_dialog(frm) {
	if (frm.is_dirty()) {
		frappe.show_alert({ message: __("Save the document first: the message shows what is saved."), indicator: "orange" });
		return;
	}
	const subject = { doctype: frm.doctype, name: frm.doc.name };
	const options = await call("documents.get_send_options", subject, { freeze_message: __("Loading") });
	const dialog = new frappe.ui.Dialog({
		title: options.is_person ? __("WhatsApp to {0}", [escape(frm.get_title())]) : __("Send {0} on WhatsApp", [escape(frm.doc.name)]),
		fields: fields_of(options),
		primary_action_label: __("Send"),
		primary_action: send,
	});
	const $preview = dialog.fields_dict.preview.$wrapper.attr("aria-live", "polite");
	const show_preview = frappe.utils.debounce(preview, PREVIEW_AFTER_MS);
	let asked = 0;

	async function preview() {
		const { message, template, attach_pdf } = dialog.get_values(true) ?? {};
		const number = ++asked;
		let html = "";
		if (message || template) {
			try {
				const answer = await call("documents.preview", { ...subject, message, template }, { silent: true });
				html = to_html(answer.text);
			} catch (error) {
				html = `<span class="text-danger">${escape(error.message)}</span>`;
			}
		}
		// An answer that comes after a newer question is of no use.
		if (number !== asked) return;
		const file = attach_pdf ? `<div class="wapbridge-file">${escape(frm.doc.name)}.pdf</div>` : "";
		$preview.html(
			`<label class="control-label">${__("Preview")}</label>
			<div class="wapbridge-chat"><div class="wapbridge-bubble outgoing">${file}${html || (file ? "" : "…")}</div></div>`
		);
	}

	function warn_about_number() {
		const number = dialog.get_value("to_number");
		const known = options.numbers.find((row) => row.number === number);
		dialog.set_df_property(
			"to_number",
			"description",
			known?.opted_out ? `<span class="text-danger">${__("This person asked for no more messages.")}</span>` : ""
		);
	}

	async function send(values) {
		dialog.disable_primary_action();
		try {
			await call("documents.send_document", {
				...subject,
				to_number: values.to_number,
				message: values.message,
				template: values.template,
				instance: values.instance,
				attach_pdf: values.attach_pdf ? 1 : 0,
				print_format: values.print_format,
				letterhead: values.letterhead,
			});
			dialog.hide();
			frappe.show_alert({ message: __("WhatsApp message queued"), indicator: "green" });
			frm.reload_doc();
		} finally {
			dialog.enable_primary_action();
		}
	}

	dialog.fields_dict.to_number.df.onchange = warn_about_number;
	dialog.fields_dict.template.df.onchange = () => {
		const template = options.templates.find((row) => row.name === dialog.get_value("template"));
		if (template && options.can_print) {
			dialog.set_value("attach_pdf", template.attach_pdf ? 1 : 0);
			if (template.print_format) dialog.set_value("print_format", template.print_format);
		}
		show_preview();
	};
	dialog.fields_dict.attach_pdf.df.onchange = show_preview;
	dialog.$wrapper.on("input", "textarea[data-fieldname=message]", show_preview);
	dialog.show();
	warn_about_number();
	preview();
}

function fields_of(options) {
	const numbers = options.numbers.map((row) => ({ value: row.number, label: row.number, description: row.label ?? "" }));
	const one_instance = options.instances.length < 2;
	const choose = (rows) => rows.map((row) => ({ value: row.name ?? row, label: row.title ?? row }));
	return [
		{
			fieldtype: "Autocomplete",
			fieldname: "to_number",
			label: __("To"),
			reqd: 1,
			options: numbers,
			default: options.numbers[0]?.number,
			placeholder: "+255 757 123 456",
		},
		{
			fieldtype: "Select",
			fieldname: "instance",
			label: __("From"),
			hidden: one_instance,
			options: choose(options.instances),
			default: options.default_instance ?? options.instances[0]?.name,
		},
		{
			fieldtype: "Select",
			fieldname: "template",
			label: __("Template"),
			hidden: !options.templates.length,
			options: [{ value: "", label: "" }, ...choose(options.templates)],
		},
		{
			fieldtype: "Small Text",
			fieldname: "message",
			label: __("Message"),
			depends_on: "eval:!doc.template",
			description: message_hint(),
		},
		{ fieldtype: "Column Break" },
		{ fieldtype: "HTML", fieldname: "preview" },
		{ fieldtype: "Section Break", hidden: !options.can_print },
		{ fieldtype: "Check", fieldname: "attach_pdf", label: __("Attach PDF"), default: options.attach_pdf ? 1 : 0 },
		{
			fieldtype: "Select",
			fieldname: "print_format",
			label: __("Print Format"),
			depends_on: "attach_pdf",
			options: options.print_formats,
			default: options.default_print_format,
		},
		{ fieldtype: "Column Break" },
		{
			fieldtype: "Select",
			fieldname: "letterhead",
			label: __("Letterhead"),
			depends_on: "attach_pdf",
			options: ["", ...options.letterheads],
			default: options.default_letterhead,
		},
	];
}
