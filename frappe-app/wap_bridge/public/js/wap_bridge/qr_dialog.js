import { call } from "./call";
import { escape } from "./markup";

const POLL_MS = 3000;
const ERRORS_IN_A_ROW = 5;

// What a gateway's word for a state means to the one who waits; what is not here is still starting.
const WAITING = {
	qr: () => __("Open WhatsApp on the phone, then Settings, Linked devices, Link a device, and scan this code."),
	pairing: () => __("Type the code on the phone."),
	authenticating: () => __("The phone has scanned the code. WhatsApp is signing in…"),
	logged_out: () => __("The phone has removed this device. Starting again…"),
	stopped: () => __("The instance is stopped. Press Connect on its form."),
	failed: () => __("The instance could not start."),
	action_required: () => __("WhatsApp asks for something on the phone."),
};

/**
 * Shows the QR code of an instance and keeps it fresh until the phone is linked.
 * Resolves true once it is, false when the dialog was closed before.
 */
export function show_qr(instance, title) {
	return new Promise((resolve) => {
		let timer = null;
		let errors = 0;
		let linked = false;
		let open = true;

		const dialog = new frappe.ui.Dialog({
			title: __("Link a phone to {0}", [escape(title || instance)]),
			fields: [
				{ fieldtype: "HTML", fieldname: "code" },
				{ fieldtype: "Section Break", label: __("No camera at hand?"), collapsible: 1, fieldname: "pairing" },
				{
					fieldtype: "Data",
					fieldname: "phone_number",
					label: __("Number of the Phone"),
					description: __("WhatsApp shows a notice on this phone; type the code there."),
				},
				{ fieldtype: "Button", fieldname: "request", label: __("Get a Code to Type"), click: request_code },
				{ fieldtype: "HTML", fieldname: "pairing_code" },
			],
			on_hide: stop,
		});
		const $code = dialog.fields_dict.code.$wrapper.attr("aria-live", "polite");
		const $pairing_code = dialog.fields_dict.pairing_code.$wrapper.attr("aria-live", "polite");

		function stop() {
			open = false;
			clearTimeout(timer);
			frappe.realtime.off("wapbridge_instance", on_change);
			resolve(linked);
		}

		function on_change(change) {
			if (change.instance === instance) poll();
		}

		function schedule() {
			clearTimeout(timer);
			if (open && !linked) timer = setTimeout(poll, POLL_MS);
		}

		async function poll() {
			clearTimeout(timer);
			try {
				const answer = await call("instances.get_qr", { instance }, { silent: true });
				errors = 0;
				if (open) show(answer);
			} catch (error) {
				errors += 1;
				if (open && errors >= ERRORS_IN_A_ROW) show_problem(error.message);
			}
			schedule();
		}

		function show({ status, reason, qr_code }) {
			if (status === "ready") return show_linked();
			const text = WAITING[status]?.() ?? __("Starting WhatsApp…");
			// Only a picture that is a picture: nothing else may become an address here.
			const picture = /^data:image\/png;base64,[A-Za-z0-9+/=]+$/.test(qr_code ?? "")
				? `<img class="wapbridge-qr" src="${qr_code}" alt="${escape(__("QR code"))}" width="264" height="264">`
				: `<div class="wapbridge-qr text-muted" role="status">${frappe.utils.icon("refresh", "lg")}</div>`;
			$code.html(
				`<div class="text-center">${picture}<p class="mt-3">${escape(text)}</p>${
					reason ? `<p class="text-muted">${escape(reason)}</p>` : ""
				}</div>`
			);
		}

		function show_linked() {
			linked = true;
			dialog.set_df_property("pairing", "hidden", 1);
			["phone_number", "request", "pairing_code"].forEach((field) => dialog.set_df_property(field, "hidden", 1));
			$code.html(
				`<div class="text-center p-5">${frappe.utils.icon("solid-success", "xl")}
				<h4 class="mt-3">${__("Linked")}</h4><p>${__("Messages can be sent and received now.")}</p></div>`
			);
			dialog.set_primary_action(__("Close"), () => dialog.hide());
		}

		function show_problem(sentence) {
			$code.html(
				`<div class="text-center text-danger p-5">${escape(sentence)}<p class="text-muted mt-2">${__(
					"Trying again…"
				)}</p></div>`
			);
		}

		async function request_code() {
			const phone_number = dialog.get_value("phone_number");
			if (!phone_number) return dialog.fields_dict.phone_number.$input?.trigger("focus");
			const { code } = await call("instances.request_pairing_code", { instance, phone_number });
			$pairing_code.html(`<div class="text-center wapbridge-pairing-code">${escape(code)}</div>`);
		}

		frappe.realtime.on("wapbridge_instance", on_change);
		dialog.show();
		show({ status: "starting" });
		poll();
	});
}
