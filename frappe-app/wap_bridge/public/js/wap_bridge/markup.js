const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

// A marker counts at the edge of a word only, as on the phone: 2*3*4 and snake_case_names stay as they are.
const MARKS = [
	[/(^|[\s(])\*(?=\S)([^*\n]*[^*\s])\*(?=$|[\s.,;:!?)])/g, "$1<strong>$2</strong>"],
	[/(^|[\s(>])_(?=\S)([^_\n]*[^_\s])_(?=$|[\s.,;:!?)<])/g, "$1<em>$2</em>"],
	[/(^|[\s(>])~(?=\S)([^~\n]*[^~\s])~(?=$|[\s.,;:!?)<])/g, "$1<s>$2</s>"],
];

/** A plain text as safe HTML: every character that HTML knows is escaped. */
export function escape(text) {
	return String(text ?? "").replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** A message as WhatsApp shows it, as safe HTML: escaped first, then *bold*, _italic_, ~struck~ and ```code```. */
export function to_html(text) {
	const parts = escape(text).split(/```([\s\S]+?)```/);
	return parts
		.map((part, index) => {
			if (index % 2) return `<code>${part}</code>`;
			return MARKS.reduce((html, [pattern, replacement]) => html.replace(pattern, replacement), part);
		})
		.join("")
		.replace(/\n/g, "<br>");
}
