// Copyright (c) 2026, WapBridge Contributors
// For license information, please see license.txt

(() => {
	frappe.ui.form.on("WapBridge Settings", {
		refresh(frm) {
			frm.add_custom_button(__("Test Connection"), () => test_connection(frm)).addClass("btn-primary");
			frm.add_custom_button(__("New Instance"), () => new_instance(frm), __("Instances"));
			frm.add_custom_button(__("Show All"), () => frappe.set_route("List", "WapBridge Instance"), __("Instances"));
			add_webhook_buttons(frm);
			add_sms_buttons(frm);
			frm.add_custom_button(__("Read Numbers of All Contacts"), () => index_contacts(), __("More"));
			show_steps(frm);
		},

		gateway_url(frm) {
			// What people copy from the browser: a path or a slash at the end.
			const origin = frm.doc.gateway_url?.trim().match(/^https?:\/\/[^/?#]+/i)?.[0];
			if (origin && origin !== frm.doc.gateway_url) frm.set_value("gateway_url", origin);
		},
	});

	async function saved(frm) {
		if (frm.is_dirty()) await frm.save();
	}

	async function test_connection(frm) {
		if (!frm.doc.gateway_url) return frm.scroll_to_field("gateway_url");
		// Who tests what was just entered means to use it.
		if (!frm.doc.enabled) await frm.set_value("enabled", 1);
		await saved(frm);
		const answer = await wap_bridge.call("settings.test_connection", {}, { freeze_message: __("Asking the gateway…") });
		await frm.reload_doc();
		show_instances(frm, answer);
	}

	function show_instances(frm, { account, instances, warnings = [] }) {
		const escape = frappe.utils.escape_html;
		const rows = instances.map(
			(row) => `<tr>
				<td><a href="${frappe.utils.get_form_link("WapBridge Instance", row.instance_id)}">${escape(
				row.title || row.instance_id
			)}</a></td>
				<td>${escape(row.phone_number || "")}</td>
				<td>${escape(row.status)}</td>
				<td class="text-right">${
					row.status === "ready"
						? ""
						: `<button class="btn btn-xs btn-default" data-instance="${escape(row.instance_id)}">${__("Show QR Code")}</button>`
				}</td></tr>`
		);
		const dialog = new frappe.ui.Dialog({
			title: __("The gateway answers"),
			fields: [{ fieldtype: "HTML", fieldname: "found" }],
			primary_action_label: instances.length ? __("Close") : __("New Instance"),
			primary_action: () => {
				dialog.hide();
				if (!instances.length) new_instance(frm);
			},
		});
		dialog.fields_dict.found.$wrapper
			.html(
				`<p>${account ? __("Account: {0}", [escape(account)]) : ""}</p>
				${warnings.map((warning) => `<p class="wapbridge-warning">${escape(warning)}</p>`).join("")}
				${
					rows.length
						? `<table class="table table-sm"><thead><tr><th>${__("Instance")}</th><th>${__("Phone Number")}</th>
							<th>${__("Status")}</th><th></th></tr></thead><tbody>${rows.join("")}</tbody></table>`
						: ""
				}`
			)
			.on("click", "[data-instance]", (event) => {
				dialog.hide();
				link_phone(frm, $(event.currentTarget).attr("data-instance"));
			});
		dialog.show();
	}

	function new_instance(frm) {
		frappe.prompt(
			[
				{ fieldtype: "Data", fieldname: "title", label: __("Title"), reqd: 1, description: __("Such as Front desk") },
				{
					fieldtype: "Link",
					fieldname: "default_country",
					label: __("Default Country"),
					options: "Country",
					default: frm.doc.default_country || frappe.sys_defaults.country,
					description: __("How numbers without a country code are read"),
				},
			],
			async (values) => {
				const { instance } = await wap_bridge.call("instances.create_instance", values, {
					freeze_message: __("Starting WhatsApp…"),
				});
				link_phone(frm, instance, values.title);
			},
			__("New Instance"),
			__("Create")
		);
	}

	async function link_phone(frm, instance, title) {
		await wap_bridge.show_qr(instance, title);
		frm.reload_doc();
	}

	function add_webhook_buttons(frm) {
		const group = __("Incoming");
		if (!frm.doc.webhook_id) {
			frm.add_custom_button(__("Register Webhook"), () => run(frm, "register_webhook", __("The gateway tells this site now.")), group);
			return;
		}
		frm.add_custom_button(__("Send a Test Event"), () => test_webhook(frm), group);
		frm.add_custom_button(__("Register Again"), () => run(frm, "register_webhook", __("The gateway tells this site now.")), group);
		frm.add_custom_button(
			__("Rotate Secret"),
			() =>
				frappe.confirm(__("Make a new secret? What is on its way with the old one is still accepted for an hour."), () =>
					run(frm, "rotate_secret", __("The gateway signs with a new secret now."))
				),
			group
		);
		frm.add_custom_button(
			__("Unregister"),
			() =>
				frappe.confirm(__("Stop receiving messages and states on this site?"), () =>
					run(frm, "unregister_webhook", __("The gateway no longer tells this site."))
				),
			group
		);
	}

	function add_sms_buttons(frm) {
		const group = __("SMS");
		if (!frm.doc.sms_configured) {
			frm.add_custom_button(__("Configure SMS Settings"), () => configure_sms(frm), group);
			return;
		}
		frm.add_custom_button(__("Send a Test SMS"), () => test_sms(), group);
		frm.add_custom_button(
			__("Undo SMS Settings"),
			() =>
				frappe.confirm(__("Put back what SMS Settings had before?"), () =>
					run(frm, "undo_sms_settings", __("SMS Settings are as they were."))
				),
			group
		);
	}

	async function run(frm, method, success) {
		await saved(frm);
		const answer = await wap_bridge.call(`settings.${method}`, {}, { freeze_message: __("Asking the gateway…") });
		await frm.reload_doc();
		frappe.show_alert({ message: success, indicator: "green" });
		return answer;
	}

	async function configure_sms(frm) {
		const { warnings = [] } = await run(frm, "configure_sms_settings", __("SMS now go out through WhatsApp."));
		if (warnings.length) {
			frappe.msgprint({
				title: __("SMS Settings"),
				indicator: "orange",
				message: warnings.map(frappe.utils.escape_html).join("<br>"),
			});
		}
	}

	function test_sms() {
		frappe.prompt(
			{ fieldtype: "Data", fieldname: "to_number", label: __("Number"), reqd: 1, placeholder: "+255 757 123 456" },
			async ({ to_number }) => {
				await wap_bridge.call("settings.send_test_sms", { to_number }, { freeze_message: __("Sending") });
				frappe.show_alert({ message: __("Sent through SMS Settings"), indicator: "green" });
			},
			__("Send a Test SMS"),
			__("Send")
		);
	}

	async function test_webhook(frm) {
		const answer = await wap_bridge.call("settings.test_webhook", {}, { freeze_message: __("Asking the gateway…") });
		frappe.msgprint({
			title: answer.delivered ? __("The test event came in") : __("The test event did not come in"),
			indicator: answer.delivered ? "green" : "red",
			message: answer.delivered
				? __("The gateway reaches this site at {0}.", [frappe.utils.escape_html(frm.doc.webhook_url)])
				: frappe.utils.escape_html(answer.error || String(answer.http_status ?? "")),
		});
	}

	async function index_contacts() {
		await wap_bridge.call("settings.index_contacts");
		frappe.show_alert({ message: __("The numbers are read in the background"), indicator: "blue" });
	}

	// What is done and what comes next; each step leads to its place.
	async function show_steps(frm) {
		if (frm.is_new()) return;
		const ready = await frappe.db.count("WapBridge Instance", { filters: { status: "Ready" } });
		const channel = await frappe.db.count("Notification", { filters: { channel: "WapBridge" } });
		const steps = [
			[["Connected", __("Connected")].includes(frm.doc.connection_status), __("Connect to the gateway"), () => test_connection(frm)],
			[ready, __("Link a phone"), () => test_connection(frm)],
			[frm.doc.webhook_id, __("Receive messages"), () => run(frm, "register_webhook", __("The gateway tells this site now."))],
			[frm.doc.sms_configured, __("Send SMS through WhatsApp"), () => configure_sms(frm)],
			[channel, __("Make a Notification"), () => frappe.new_doc("Notification", { channel: "WapBridge" })],
		];
		const $steps = $('<ol class="wapbridge-steps" style="padding-inline-start: 1.5em; margin: 0"></ol>');
		for (const [done, label, open] of steps) {
			const $step = $("<li>").appendTo($steps);
			if (done) $step.append($('<span class="text-muted">').text(`✓ ${label}`));
			else
				$('<a href="#">')
					.text(label)
					.appendTo($step)
					.on("click", (event) => {
						event.preventDefault();
						open();
					});
		}
		frm.dashboard.parent.find(".wapbridge-setup").remove();
		frm.dashboard.add_section($steps, __("Setup"), "form-dashboard-section wapbridge-setup");
		frm.dashboard.show();
	}
})();
