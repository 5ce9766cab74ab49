import { call, may_send } from "./call";
import { escape, to_html } from "./markup";
import { message_color } from "./states";

const PAGE = 50;
const POLL_MS = 10_000;

/** Opens the conversation with a number, or with the person a document stands for; new messages come in by themselves. */
export async function open_conversation({ phone = null, doctype = null, name = null, title = "" }) {
	const whom = phone ? { phone } : { doctype, name };
	let answer = await call("whatsapp.get_conversation", { ...whom, limit: PAGE }, { freeze_message: __("Loading") });
	if (!answer.phone) {
		frappe.msgprint(__("There is no number to write to yet."));
		return;
	}
	// The site answers with the newest first; people read the other way.
	const messages = [...answer.messages].reverse();
	const dialog = new frappe.ui.Dialog({
		title: __("WhatsApp: {0}", [escape(title || answer.phone)]),
		size: "large",
		fields: [
			{ fieldtype: "HTML", fieldname: "messages" },
			{ fieldtype: "Small Text", fieldname: "reply", label: __("Reply"), hidden: !may_send() },
		],
		primary_action_label: may_send() ? __("Send") : null,
		primary_action: may_send() ? send : null,
		on_hide: () => {
			clearInterval(timer);
			frappe.realtime.off("wapbridge_message", on_message);
		},
	});
	// Realtime reaches those who are notified of the person; this reaches everyone who may read.
	const timer = setInterval(() => refresh().catch(() => {}), POLL_MS);
	const $messages = dialog.fields_dict.messages.$wrapper;

	function show({ keep_place = false } = {}) {
		const older = answer.next ? `<button class="btn btn-xs btn-default older">${__("Older messages")}</button>` : "";
		const bubbles = messages.map(bubble_of).join("") || `<p class="text-muted">${__("No messages yet")}</p>`;
		$messages.html(`<div class="wapbridge-chat tall" role="log" tabindex="0">${older}${bubbles}</div>`);
		const chat = $messages.find(".wapbridge-chat")[0];
		if (!keep_place) chat.scrollTop = chat.scrollHeight;
	}

	async function load_older() {
		answer = await call("whatsapp.get_conversation", { ...whom, before: answer.next, limit: PAGE });
		messages.unshift(...[...answer.messages].reverse());
		show({ keep_place: true });
	}

	async function refresh() {
		const latest = await call("whatsapp.get_conversation", { ...whom, limit: PAGE }, { silent: true });
		const fresh = new Set(latest.messages.map((message) => message.name));
		const now = [...messages.filter((message) => !fresh.has(message.name)), ...[...latest.messages].reverse()];
		if (JSON.stringify(now) === JSON.stringify(messages)) return;
		messages.splice(0, messages.length, ...now);
		show();
	}

	function on_message(message) {
		if (messages.some(({ phone }) => phone === message.phone)) refresh().catch(() => {});
	}

	async function send({ reply }) {
		if (!reply?.trim()) return;
		dialog.disable_primary_action();
		try {
			await call("whatsapp.send_message", {
				to_number: answer.phone,
				message: reply,
				reference_doctype: doctype,
				reference_name: name,
			});
			await dialog.set_value("reply", "");
			await refresh();
		} finally {
			dialog.enable_primary_action();
		}
	}

	$messages.on("click", ".older", load_older);
	frappe.realtime.on("wapbridge_message", on_message);
	dialog.show();
	// The height is known only when the dialog stands there.
	dialog.$wrapper.one("shown.bs.modal", () => show());
	show();
}

function bubble_of(message) {
	const incoming = message.direction === "Incoming";
	const state = incoming
		? ""
		: `<span class="indicator-pill no-indicator-dot ${message_color(message.status)}">${escape(__(message.status))}</span>`;
	const error = message.error ? `<div class="text-danger">${escape(message.error)}</div>` : "";
	return `<div class="wapbridge-bubble ${incoming ? "incoming" : "outgoing"}">
		${file_of(message)}${to_html(message.message)}${error}
		<div class="wapbridge-foot"><a href="${frappe.utils.get_form_link("WapBridge Message", message.name)}"
			>${frappe.datetime.comment_when(message.happened_on)}</a> ${state}</div>
	</div>`;
}

function file_of(message) {
	if (!message.filename && !message.media) return "";
	const label = escape(message.filename || message.message_type || __("File"));
	// A file of this site only: an address from a message must never become a link.
	if (!/^\/(private\/)?files\//.test(message.media ?? "")) return `<div class="wapbridge-file">${label}</div>`;
	return `<a class="wapbridge-file" href="${escape(encodeURI(message.media))}" target="_blank" rel="noopener">${label}</a>`;
}
