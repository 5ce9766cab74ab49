import frappe

from wap_bridge import install, uninstall
from wap_bridge.tests.base import WapBridgeTestCase

CHANNEL = install.CHANNEL


def channels():
	frappe.clear_cache(doctype="Notification")
	return frappe.get_meta("Notification").get_field("channel").options.split("\n")


class Channel(WapBridgeTestCase):
	def tearDown(self):
		install.set_up_notification()
		frappe.db.commit()
		super().tearDown()

	def test_stands_beside_those_of_frappe_and_of_other_apps(self):
		self.assertEqual(channels()[-1], CHANNEL)
		frappe.db.set_value(
			"Property Setter", {"doc_type": "Notification", "field_name": "channel"}, "value", "Email\nSlack\nWhatsApp"
		)
		frappe.clear_cache(doctype="Notification")
		install.after_migrate()
		found = channels()
		for name in ("Email", "SMS", "System Notification", "WhatsApp", CHANNEL):
			self.assertEqual(found.count(name), 1, name)

	def test_is_set_up_once_however_often(self):
		install.after_migrate()
		install.after_migrate()
		self.assertEqual(frappe.db.count("Property Setter", {"doc_type": "Notification", "field_name": "channel"}), 1)
		self.assertEqual(
			frappe.db.count("Custom Field", {"dt": "Notification", "fieldname": ("like", "wapbridge_%")}), 5
		)

	def test_goes_without_a_trace_and_leaves_the_others_channel(self):
		frappe.get_doc(
			{
				"doctype": "Notification",
				"name": "WB test",
				"subject": "x",
				"channel": CHANNEL,
				"document_type": "ToDo",
				"event": "New",
				"message": "x",
				"wapbridge_recipients": "+255757123456",
			}
		).insert()
		frappe.db.set_value(
			"Property Setter",
			{"doc_type": "Notification", "field_name": "channel"},
			"value",
			"Email\nSMS\nWhatsApp\n" + CHANNEL,
		)
		uninstall.retire_notifications()
		uninstall.remove_from_notification()
		self.assertEqual(channels(), ["Email", "SMS", "WhatsApp"])
		self.assertEqual(frappe.get_meta("Notification").get("fields", {"fieldname": ("like", "wapbridge_%")}), [])
		self.assertFalse(frappe.db.has_column("Notification", "wapbridge_instance"))
		doc = frappe.get_doc("Notification", "WB test")
		self.assertEqual((doc.enabled, doc.channel), (0, "Email"))
		doc.save()
		frappe.db.set_value(
			"Property Setter",
			{"doc_type": "Notification", "field_name": "channel"},
			"value",
			"Email\nSlack\nSystem Notification\nSMS\n" + CHANNEL,
		)
		frappe.clear_cache(doctype="Notification")
		uninstall.remove_from_notification()
		self.assertFalse(frappe.db.exists("Property Setter", {"doc_type": "Notification", "field_name": "channel"}))


class Tidiness(WapBridgeTestCase):
	def test_roles_are_there_with_desk_access(self):
		for role in uninstall.ROLES:
			self.assertTrue(frappe.db.get_value("Role", role, "desk_access"), role)

	def test_logs_clear_themselves(self):
		from frappe.core.doctype.log_settings.log_settings import _supports_log_clearing

		old = frappe.get_doc({"doctype": "WapBridge Webhook Event", "event": "x", "status": "Failed"}).insert()
		frappe.db.set_value("WapBridge Webhook Event", old.name, "creation", "2020-01-01")
		new = frappe.get_doc({"doctype": "WapBridge Webhook Event", "event": "x", "status": "Failed"}).insert()
		for doctype in ("WapBridge Webhook Event", "WapBridge Message"):
			self.assertTrue(_supports_log_clearing(doctype))
			frappe.get_attr(
				f"wap_bridge.wap_bridge.doctype.{frappe.scrub(doctype)}.{frappe.scrub(doctype)}.{doctype.replace(' ', '')}"
			).clear_old_logs(30)
		self.assertEqual(frappe.get_all("WapBridge Webhook Event", pluck="name"), [new.name])

	def test_every_scheduled_method_and_hook_is_there(self):
		hooks = frappe.get_hooks(app_name="wap_bridge")
		paths = [path for events in hooks.scheduler_events.values() for path in _flat(events)]
		paths += [path for events in hooks.doc_events.values() for path in _flat(events)]
		for name in (
			"after_install",
			"after_migrate",
			"before_uninstall",
			"after_uninstall",
			"send_sms",
			"send_token_via_sms",
		):
			paths += _flat(hooks.get(name))
		paths += (
			_flat(hooks.permission_query_conditions)
			+ _flat(hooks.has_permission)
			+ _flat(hooks.additional_timeline_content)
		)
		self.assertGreater(len(paths), 12)
		for path in paths:
			self.assertTrue(callable(frappe.get_attr(path)), path)


def _flat(value):
	if isinstance(value, dict):
		return [path for part in value.values() for path in _flat(part)]
	return [value] if isinstance(value, str) else [path for part in value or [] for path in _flat(part)]
