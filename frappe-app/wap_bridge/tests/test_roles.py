"""Who may do what: every method that the desk calls, asked by every role."""

import frappe

from wap_bridge.tests.base import INSTANCE, WapBridgeTestCase, request

# Nobody but these roles; `guest` methods have credentials of their own.
SETTINGS = (
	"settings.test_connection",
	"settings.configure_sms_settings",
	"settings.undo_sms_settings",
	"settings.register_webhook",
	"settings.unregister_webhook",
	"settings.rotate_secret",
	"settings.test_webhook",
	"settings.index_contacts",
	"instances.sync_instances",
	"instances.create_instance",
	"instances.get_qr",
	"instances.connect",
	"instances.disconnect",
	"instances.logout",
	"instances.request_pairing_code",
	"instances.delete_instance",
	"campaigns.start_campaign",
	"campaigns.pause_campaign",
	"campaigns.resume_campaign",
	"campaigns.cancel_campaign",
	"campaigns.retry_failed",
	"campaigns.campaign_from_list",
	"campaigns.campaign_from_report",
	"campaigns.create_and_start_campaign",
	"campaigns.add_campaign_recipients",
)
SENDING = ("whatsapp.send_message", "whatsapp.send_api_message", "whatsapp.erpnext_notification_gateway")
ARGUMENTS = {
	"title": "WB desk",
	"instance": INSTANCE,
	"instance_id": INSTANCE,
	"phone_number": "+255757123456",
	"to_number": "+255757123456",
	"message": "Hello",
	"campaign_name": "WB",
	"recipients": ["+255757123456"],
	"doctype": "Contact",
	"report": "ToDo",
	"filters": "{}",
}


class Roles(WapBridgeTestCase):
	def setUp(self):
		super().setUp()
		fields = {"title": "WB", "instance": INSTANCE, "message": "Hello", "manual_numbers": "+255757123456"}
		self.campaign = frappe.get_doc({"doctype": "WapBridge Campaign", **fields}).insert().name
		frappe.db.commit()
		self.addCleanup(self.empty_sms_settings)

	def empty_sms_settings(self):
		frappe.db.delete("Singles", {"doctype": "SMS Settings"})
		frappe.db.delete("SMS Parameter")
		frappe.db.commit()

	def key_of(self, user):
		"""Returns the Authorization header of a user. Calls go over HTTP: inside tests Frappe lets everybody in."""
		doc = frappe.get_doc("User", user)
		doc.update({"api_key": frappe.generate_hash(length=15), "api_secret": "wb-secret"})
		doc.save()
		frappe.db.commit()
		return {"Authorization": f"token {doc.api_key}:wb-secret"}

	def asked(self, headers, method):
		"""Asks a method and returns whether the user was let in, whatever came of it."""
		arguments = {**ARGUMENTS, "campaign": self.campaign}
		status, _ = request("POST", f"/api/method/wap_bridge.api.{method}", json=arguments, headers=dict(headers))
		self.assertNotEqual(status, 401)
		return status != 403

	def let_in(self, methods, *roles):
		user = self.user("wb-role@example.com", *roles)
		headers = self.key_of(user)
		return [method for method in methods if self.asked(headers, method)]

	def test_managers_run_the_app(self):
		# A report has roles of its own, which this one does not give away.
		methods = [method for method in SETTINGS + SENDING if method != "campaigns.campaign_from_report"]
		self.assertEqual(self.let_in(methods, "WapBridge Manager"), methods)

	def test_users_send_and_run_nothing(self):
		self.assertEqual(self.let_in(SETTINGS, "WapBridge User"), [])
		self.assertEqual(self.let_in(SENDING, "WapBridge User"), list(SENDING))

	def test_viewers_and_strangers_neither_send_nor_run(self):
		for role in ("WapBridge Viewer", "Blogger"):
			self.assertEqual(self.let_in(SETTINGS + SENDING, role), [], role)

	def test_guests_reach_the_webhook_alone(self):
		for method in (*SETTINGS, *SENDING, "whatsapp.get_conversation", "campaigns.campaign_status"):
			status, _ = request("POST", f"/api/method/wap_bridge.api.{method}", data={})
			self.assertEqual(status, 403, method)
		status, _ = request("POST", "/api/method/wap_bridge.api.webhook.receive", data=b"{}")
		self.assertEqual(status, 401)

	def test_no_role_reads_a_secret(self):
		for role in ("WapBridge Manager", "WapBridge User", "WapBridge Viewer", "System Manager"):
			frappe.set_user(self.user("wb-role@example.com", role))
			try:
				text = frappe.as_json(frappe.get_doc("WapBridge Settings").as_dict())
			finally:
				frappe.set_user("Administrator")
			self.assertNotIn("test-secret-0123456789", text)
			self.assertNotIn("webhook-secret-0123456789", text)

	def test_users_see_their_messages_and_those_of_documents_they_may_read(self):
		mine = self.user("wb-mine@example.com", "WapBridge User")
		other = self.user("wb-other@example.com", "WapBridge User")
		frappe.set_user(mine)
		name = frappe.call("wap_bridge.api.whatsapp.send_message", to_number="+255757123456", message="Mine")[
			"messages"
		][0]
		frappe.set_user("Administrator")
		frappe.db.commit()
		for user, seen in ((mine, [name]), (other, []), (self.user("wb-view@example.com", "WapBridge Viewer"), [name])):
			frappe.set_user(user)
			self.assertEqual(frappe.get_list("WapBridge Message", pluck="name"), seen, user)
			self.assertEqual(bool(frappe.has_permission("WapBridge Message", "read", name)), bool(seen), user)
			frappe.set_user("Administrator")

	def test_an_instance_can_be_kept_from_a_user(self):
		frappe.get_doc(
			{"doctype": "WapBridge Instance", "instance_id": "INST-01-0000143", "title": "Back office"}
		).insert()
		user = self.user("wb-limited@example.com", "WapBridge User")
		permission = frappe.get_doc(
			{"doctype": "User Permission", "user": user, "allow": "WapBridge Instance", "for_value": "INST-01-0000143"}
		).insert()
		self.addCleanup(frappe.delete_doc, "User Permission", permission.name, force=True)
		frappe.set_user(user)
		self.addCleanup(frappe.set_user, "Administrator")
		self.assertEqual(frappe.get_list("WapBridge Instance", pluck="name"), ["INST-01-0000143"])
