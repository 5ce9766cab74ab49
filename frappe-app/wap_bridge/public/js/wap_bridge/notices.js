import { open_conversation } from "./conversation";
import { escape } from "./markup";

const MAX_CHARACTERS = 120;

/** Shows a note for each message that comes in for this user, with a way to answer it. */
export function listen_for_messages() {
	let last = null;
	frappe.realtime.on("wapbridge_message", (message) => {
		// One message can come twice: to the user, and to those who have its document open.
		if (message.direction !== "Incoming" || message.name === last) return;
		last = message.name;
		const from = message.profile_name || message.phone;
		const text = message.message || __("A file");
		const $alert = frappe.show_alert(
			{
				indicator: "green",
				message: `<strong>${escape(from)}</strong>`,
				subtitle: escape(text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text),
				body: `<a href="#" class="d-block p-2" data-action="answer">${__("Open conversation")}</a>`,
			},
			10
		);
		$alert.find("[data-action=answer]").on("click", (event) => {
			event.preventDefault();
			open_conversation({ phone: message.phone, title: from });
		});
	});
}
