/**
 * Calls a whitelisted method of this app and resolves with its answer; Frappe shows what went wrong.
 * With `silent` nothing is shown, and the promise rejects with a sentence.
 */
export function call(path, args = {}, { silent = false, freeze_message = "", type = "POST" } = {}) {
	return new Promise((resolve, reject) => {
		frappe.call({
			method: `wap_bridge.api.${path}`,
			type,
			args,
			silent,
			freeze: Boolean(freeze_message),
			freeze_message,
			callback: (answer) => resolve(answer.message),
			error: (answer) => reject(new Error(sentence_of(answer))),
		});
	});
}

/** True for those who may write to people on WhatsApp. */
export function may_send() {
	return ["System Manager", "WapBridge Manager", "WapBridge User"].some((role) => frappe.user.has_role(role));
}

/** True for those who may link phones and start campaigns. */
export function may_manage() {
	return ["System Manager", "WapBridge Manager"].some((role) => frappe.user.has_role(role));
}

/** What stands below a field for a message: the site fills in Jinja for those who may write templates. */
export function message_hint() {
	const marks = __("*bold*, _italic_, ~struck~");
	return may_manage() ? `${marks}. ${__("Jinja such as {0} is filled in.", ["{{ doc.name }}"])}` : marks;
}

/** The sentence inside Frappe's answer to a failed call, as plain text. */
function sentence_of(answer) {
	const body = answer?.responseJSON ?? answer ?? {};
	try {
		const messages = JSON.parse(body._server_messages ?? "[]").map((text) => JSON.parse(text).message);
		if (messages.length) return frappe.utils.html2text(messages.join(" "));
	} catch {
		// Not the shape of a Frappe error: the general sentence has to do.
	}
	return __("The site did not answer");
}
