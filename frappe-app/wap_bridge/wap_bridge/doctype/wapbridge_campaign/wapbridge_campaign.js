// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

(() => {
	const POLL_MS = 5000;
	const MOVING = ["Preparing", "Scheduled", "Running"];
	const GROUPS = { "Customer Group": "Customer Group", "Email Group": "Email Group" };
	// What each counter is called and in which colour it stands in the bar.
	const SHARES = [
		["read_count", __("Read"), "green"],
		["delivered", __("Delivered"), "cyan"],
		["sent", __("Sent"), "blue"],
		["failed", __("Failed"), "red"],
		["uncertain", __("Uncertain"), "yellow"],
		["skipped", __("Skipped"), "gray"],
		["cancelled", __("Cancelled"), "gray"],
	];

	frappe.ui.form.on("WapBridge Campaign", {
		setup(frm) {
			frm.set_query("source_doctype", () => ({ filters: { istable: 0, issingle: 0 } }));
			frm.set_query("report", () => ({ filters: { disabled: 0 } }));
		},

		refresh(frm) {
			frm.page.set_indicator(__(frm.doc.status), wap_bridge.campaign_color(frm.doc.status));
			show_progress(frm, frm.doc);
			show_source(frm);
			poll(frm);
			if (frm.is_new()) return;
			frm.add_custom_button(__("Recipients"), () =>
				frappe.set_route("List", "WapBridge Campaign Recipient", { campaign: frm.doc.name })
			);
			if (wap_bridge.may_manage()) add_buttons(frm);
		},

		source_type(frm) {
			const group = GROUPS[frm.doc.source_type];
			if (frm.doc.group_doctype !== (group ?? "")) frm.set_value({ group_doctype: group ?? "", group_name: "" });
			show_source(frm);
		},

		source_doctype(frm) {
			frm.set_value({ source_filters: "", phone_field: "" });
			show_source(frm);
		},

		report: show_source,
	});

	function add_buttons(frm) {
		const { status } = frm.doc;
		if (["Draft", "Failed"].includes(status)) {
			frm.add_custom_button(__("Preview Recipients"), () => preview(frm));
			frm.add_custom_button(__("Start"), () => start(frm)).addClass("btn-primary");
		}
		if (["Running", "Scheduled"].includes(status)) {
			frm.add_custom_button(__("Pause"), () => run(frm, "pause_campaign"));
		}
		if (status === "Paused") {
			frm.add_custom_button(__("Resume"), () => run(frm, "resume_campaign")).addClass("btn-primary");
		}
		if ([...MOVING, "Paused"].includes(status)) {
			frm.add_custom_button(__("Cancel Campaign"), () =>
				frappe.confirm(__("Cancel the campaign? Who has not got the message yet will not get it."), () =>
					run(frm, "cancel_campaign")
				)
			);
		}
		if (frm.doc.failed && ["Completed", "Paused", "Running"].includes(status)) {
			frm.add_custom_button(__("Retry Failed"), () => run(frm, "retry_failed"));
		}
	}

	async function run(frm, method) {
		await wap_bridge.call(`campaigns.${method}`, { campaign: frm.doc.name }, { freeze_message: __("Asking the gateway…") });
		frm.reload_doc();
	}

	async function found(frm) {
		if (frm.is_dirty()) await frm.save();
		return wap_bridge.call(
			"campaigns.preview_recipients",
			{ campaign: frm.doc.name },
			{ freeze_message: __("Reading the recipients…") }
		);
	}

	async function preview(frm) {
		const answer = await found(frm);
		const escape = frappe.utils.escape_html;
		const rows = answer.sample.map(
			({ phone, recipient_name, message }) =>
				`<tr><td>${escape(phone)}</td><td>${escape(recipient_name || "")}</td><td>${wap_bridge.to_html(message)}</td></tr>`
		);
		frappe.msgprint({
			title: __("{0} recipients", [answer.total]),
			wide: true,
			message: `${left_out(answer)}<table class="table table-sm"><thead><tr><th>${__("Number")}</th><th>${__("Name")}</th>
				<th>${__("Message")}</th></tr></thead><tbody>${rows.join("")}</tbody></table>`,
		});
	}

	function left_out({ unresolved, invalid }) {
		const parts = [];
		if (unresolved) parts.push(__("{0} without a number", [unresolved]));
		if (invalid) parts.push(__("{0} with an impossible number", [invalid]));
		return parts.length ? `<p class="wapbridge-warning">${parts.join(", ")}</p>` : "";
	}

	async function start(frm) {
		const answer = await found(frm);
		if (!answer.total) {
			frappe.msgprint({ title: __("Nobody to write to"), indicator: "orange", message: left_out(answer) || __("The source is empty.") });
			return;
		}
		const when = frm.doc.schedule_at ? __("It starts at {0}.", [frappe.datetime.str_to_user(frm.doc.schedule_at)]) : "";
		frappe.confirm(`${__("Write to {0} people on WhatsApp?", [answer.total])} ${when}${left_out(answer)}`, () =>
			run(frm, "start_campaign")
		);
	}

	// Realtime brings most changes; the poll brings them where realtime does not run.
	function poll(frm) {
		clearTimeout(frm.wapbridge_poll);
		if (frm.is_new() || !MOVING.includes(frm.doc.status)) return;
		const name = frm.doc.name;
		frm.wapbridge_poll = setTimeout(async () => {
			if (cur_frm !== frm || frm.doc.name !== name || document.hidden) return poll(frm);
			try {
				update(frm, await wap_bridge.call("campaigns.refresh", { campaign: name }, { silent: true }));
			} catch {
				// The gateway may be away for a moment: what is shown stays, and the next round asks again.
			}
			poll(frm);
		}, POLL_MS);
	}

	function update(frm, state) {
		if (!state || frm.is_dirty()) return;
		if (state.status && state.status !== frm.doc.status) return frm.reload_doc();
		for (const [field, value] of Object.entries(state)) {
			if (field in frm.fields_dict && field !== "status") frm.doc[field] = value;
		}
		frm.refresh_fields();
		show_progress(frm, frm.doc);
	}

	frappe.realtime.on("wapbridge_campaign", (state) => {
		if (cur_frm?.doctype === "WapBridge Campaign" && cur_frm.doc.name === state.campaign) update(cur_frm, state);
	});

	function show_progress(frm, doc) {
		const $progress = frm.fields_dict.progress_html.$wrapper;
		if (!doc.total) {
			$progress.html(`<p class="text-muted">${__("Not started yet")}</p>`);
			return;
		}
		const share = (count) => (100 * count) / doc.total;
		const shown = SHARES.filter(([field]) => doc[field] > 0);
		const done = shown.reduce((sum, [field]) => sum + counted(doc, field), 0);
		const bars = shown.map(
			([field, label, color]) =>
				`<div class="progress-bar" style="width: ${share(counted(doc, field))}%; background: var(--${color}-500, ${color})"
					title="${label}: ${counted(doc, field)}"></div>`
		);
		const legend = shown.map(
			([field, label, color]) => `<span class="indicator-pill ${color} mr-2">${label}: ${Number(doc[field])}</span>`
		);
		const time = (value) => frappe.datetime.str_to_user(value);
		const notes = [
			doc.hold ? __("Waiting: {0}", [hold_of(doc)]) : "",
			doc.pause_reason ? __("Paused: {0}", [doc.pause_reason]) : "",
			doc.next_send_at && doc.status === "Running" ? __("Next message at {0}", [time(doc.next_send_at)]) : "",
			doc.eta_at && MOVING.includes(doc.status) ? __("Likely done at {0}", [time(doc.eta_at)]) : "",
		].filter(Boolean);
		$progress.html(
			`<div class="progress" role="progressbar" aria-valuenow="${done}" aria-valuemin="0" aria-valuemax="${Number(doc.total)}"
				style="height: 14px">${bars.join("")}</div>
			<p class="mt-2">${__("{0} of {1} done", [done, doc.total])}</p>
			<p>${legend.join("")}</p>
			${notes.map((note) => `<p class="text-muted">${frappe.utils.escape_html(note)}</p>`).join("")}`
		);
	}

	// The gateway counts a read message as delivered and sent too; the bar shows each message once.
	function counted(doc, field) {
		const further = { delivered: "read_count", sent: "delivered" }[field];
		return Math.max(0, Number(doc[field] ?? 0) - (further ? Number(doc[further] ?? 0) : 0));
	}

	function hold_of(doc) {
		const until = doc.hold_until ? ` (${__("until {0}", [frappe.datetime.str_to_user(doc.hold_until)])})` : "";
		return `${__(frappe.unscrub(doc.hold))}${until}`;
	}

	async function show_source(frm) {
		const editable = ["Draft", "Failed"].includes(frm.doc.status) || frm.is_new();
		const { source_type, source_doctype } = frm.doc;
		frm.remove_custom_button(__("Edit Filters"));
		if (source_type === "List" && source_doctype) {
			if (editable) frm.add_custom_button(__("Edit Filters"), () => edit_filters(frm));
			const { fields } = await wap_bridge.call("campaigns.phone_fields", { doctype: source_doctype }, { silent: true });
			if (editable && !frm.doc.phone_field && fields.length) frm.set_value("phone_field", fields[0].fieldname);
			frm.set_df_property("phone_field", "description", described(fields));
		} else if (source_type === "CSV") {
			frm.set_df_property("phone_field", "description", __("Heading of the column; other columns can be used in the message"));
		} else {
			frm.set_df_property("phone_field", "description", "");
		}
	}

	function described(fields) {
		if (!fields.length) return __("This DocType has no field with a phone number");
		return fields.map(({ fieldname, label }) => frappe.utils.escape_html(`${__(label)}: ${fieldname}`)).join(", ");
	}

	function edit_filters(frm) {
		const doctype = frm.doc.source_doctype;
		frappe.model.with_doctype(doctype, () => {
			const dialog = new frappe.ui.Dialog({
				title: __("Who gets the message"),
				fields: [{ fieldtype: "HTML", fieldname: "filters" }],
				primary_action_label: __("Set Filters"),
				primary_action: () => {
					frm.set_value("source_filters", JSON.stringify(group.get_filters().map((filter) => filter.slice(0, 4))));
					dialog.hide();
				},
			});
			const group = new frappe.ui.FilterGroup({
				parent: dialog.fields_dict.filters.$wrapper,
				doctype,
				on_change: () => {},
			});
			dialog.show();
			group.add_filters_to_filter_group(filters_of(frm));
		});
	}

	function filters_of(frm) {
		try {
			const filters = JSON.parse(frm.doc.source_filters || "[]");
			if (Array.isArray(filters)) return filters.map((filter) => (filter.length === 3 ? [frm.doc.source_doctype, ...filter] : filter));
			return Object.entries(filters).map(([field, value]) => [
				frm.doc.source_doctype,
				field,
				...(Array.isArray(value) ? value : ["=", value]),
			]);
		} catch {
			return [];
		}
	}
})();
