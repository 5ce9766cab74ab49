import json
import threading
from unittest.mock import patch

import frappe
from frappe.utils.password import get_decrypted_password

from wap_bridge import connection, sms, webhook_registration
from wap_bridge.api import instances as instance_api
from wap_bridge.api import settings as api
from wap_bridge.tests.base import INSTANCE, SECRET, WapBridgeTestCase, configure, frappe_in_another_process, request
from wap_bridge.tests.stub import refusal

LIST = "instances.list_instances"
READY = {
	"instance_id": INSTANCE,
	"title": "Front desk",
	"phone_number": "255757197676",
	"status": "ready",
	"reason": None,
	"last_ready_at": "2026-11-21T08:00:00.000Z",
}
SMS_METHOD = "/api/method/wap_bridge.api.whatsapp.erpnext_notification_gateway"


def single(field):
	return frappe.db.get_single_value(connection.SETTINGS, field)


class TestConnection(WapBridgeTestCase):
	def test_shows_account_and_instances_and_writes_them_down(self):
		self.stub.answers = {
			LIST: {
				"ok": True,
				"instances": [
					READY,
					{**READY, "instance_id": "INST-11-0000007", "title": None, "status": "qr", "phone_number": None},
				],
			}
		}
		answer = api.test_connection()
		self.assertEqual((answer["account"], answer["version"], answer["warnings"]), ("CUST-0143", "0.1.0", []))
		self.assertEqual(
			frappe.db.get_value("WapBridge Instance", "INST-11-0000007", ["title", "status"]), ("INST-11-0000007", "QR")
		)
		self.assertEqual(single("connection_status"), "Connected")

	def test_takes_the_only_instance_as_default(self):
		configure(self.stub.url, default_instance=None)
		self.stub.answers = {LIST: {"ok": True, "instances": [READY]}}
		api.test_connection()
		self.assertEqual(single("default_instance"), INSTANCE)

	def test_marks_instances_that_the_gateway_has_no_more(self):
		self.assertIn(
			"The gateway has no instance yet: create one and link your phone", api.test_connection()["warnings"]
		)
		self.assertEqual(frappe.db.get_value("WapBridge Instance", INSTANCE, "status"), "Missing")

	def test_says_what_is_wrong_in_words_and_keeps_it(self):
		cases = {
			"does not accept the API key": refusal(401, "unauthenticated", "The credentials are not valid"),
			"may not do this": refusal(403, "forbidden", "The token may only send"),
			"not a gateway": (200, b"<html>hello</html>"),
			"redirect": (302, b"", {"Location": "https://x.example"}),
		}
		for words, answer in cases.items():
			with self.subTest(words):
				self.stub.answers = {"*": answer}
				with self.assertRaisesRegex(frappe.ValidationError, words):
					api.test_connection()
				self.assertIn(words, single("connection_status"))

	def test_shows_no_secret_to_anybody(self):
		self.assertNotIn("test-secret", str(frappe.get_doc(connection.SETTINGS).as_dict()))
		self.assertNotIn(SECRET, str(frappe.get_doc(connection.SETTINGS).as_dict()))
		self.assertNotIn(
			"test-secret", str(frappe.db.sql("select * from tabSingles where doctype=%s", connection.SETTINGS))
		)

	def test_checks_what_is_entered(self):
		for fields in (
			{"gateway_url": "gateway"},
			{"gateway_url": "ftp://x.example"},
			{"api_secret": ""},
			{"enabled": 0, "use_for_sms": 1},
		):
			with self.subTest(str(fields)), self.assertRaises(frappe.ValidationError):
				doc = frappe.get_doc(connection.SETTINGS)
				doc.update(fields)
				doc.save()
			frappe.db.rollback()
		configure(self.stub.url + "/api/method/wap_bridge.api.whatsapp.send_api_message")
		self.assertEqual(single("gateway_url"), self.stub.url)

	def test_is_for_managers(self):
		for roles, may in (
			(("WapBridge Manager",), True),
			(("WapBridge User",), False),
			(("WapBridge Viewer",), False),
		):
			frappe.set_user(self.user("wb-role@example.com", *roles))
			# Frappe looks away in tests.
			self.addCleanup(setattr, frappe.local.flags, "in_test", True)
			frappe.local.flags.in_test = False
			if may:
				api.test_connection()
			else:
				for method in (
					api.test_connection,
					api.register_webhook,
					api.rotate_secret,
					api.configure_sms_settings,
					api.undo_sms_settings,
				):
					with self.assertRaises(frappe.PermissionError):
						method()
				with self.assertRaises(frappe.PermissionError):
					instance_api.get_qr(INSTANCE)
			frappe.local.flags.in_test = True
			frappe.set_user("Administrator")


class Webhook(WapBridgeTestCase):
	ID = "01KA0000000000000000000000"

	def setUp(self):
		super().setUp()
		self.stub.answers = {
			"settings.list_webhooks": {"ok": True, "webhooks": []},
			"settings.create_webhook": {"ok": True, "webhook_id": self.ID},
			"settings.update_webhook": {"ok": True, "webhook_id": self.ID},
		}

	def test_is_made_once_with_a_secret_of_its_own(self):
		answer = api.register_webhook()
		self.assertEqual(answer["url"], "https://site.example.com/api/method/wap_bridge.api.webhook.receive")
		made = self.stub.calls("settings.create_webhook")[0].json
		self.assertEqual((made["url"], made["secret"]), (answer["url"], SECRET))
		self.assertIn("message.received", made["events"])
		self.stub.answers["settings.list_webhooks"] = {"ok": True, "webhooks": [{"webhook_id": self.ID, "url": "x"}]}
		api.register_webhook()
		self.assertEqual(len(self.stub.calls("settings.create_webhook")), 1)
		self.assertEqual(self.stub.calls("settings.update_webhook")[0].json["webhook_id"], self.ID)

	def test_is_made_once_when_two_make_it_at_once(self):
		made, second_has_looked, threads = [], threading.Event(), []

		def look(request):
			if threads:
				second_has_looked.set()
			else:
				threads.append(threading.Thread(target=frappe_in_another_process, args=(api.register_webhook,)))
				threads[0].start()
				# The second one does not come to look before the first one is done.
				second_has_looked.wait(1)
			return {"ok": True, "webhooks": list(made)}

		def make(request):
			made.append({"webhook_id": self.ID, "url": request.json["url"]})
			return {"ok": True, "webhook_id": self.ID}

		self.stub.answers |= {"settings.list_webhooks": look, "settings.create_webhook": make}
		api.register_webhook()
		threads[0].join()
		self.assertEqual(len(made), 1)
		self.assertEqual(len(self.stub.calls("settings.update_webhook")), 1)

	def test_gets_a_long_secret_when_there_is_none(self):
		from frappe.utils.password import remove_encrypted_password

		remove_encrypted_password(connection.SETTINGS, connection.SETTINGS, "webhook_secret")
		api.register_webhook()
		secret = self.stub.calls("settings.create_webhook")[0].json["secret"]
		self.assertGreaterEqual(len(secret), 40)
		self.assertEqual(get_decrypted_password(connection.SETTINGS, connection.SETTINGS, "webhook_secret"), secret)

	def test_asks_an_older_gateway_for_the_events_it_has(self):
		def answer(request):
			if "message.edited" in request.json["events"]:
				return refusal(417, "invalid_input", "events[3] must be one of …")
			return {"ok": True, "webhook_id": self.ID}

		self.stub.answers["settings.create_webhook"] = answer
		self.assertEqual(api.register_webhook()["webhook_id"], self.ID)

	def test_changes_its_secret_here_before_there(self):
		webhook_registration.write({"webhook_id": self.ID})
		self.stub.answers["settings.update_webhook"] = (503, b"")
		with self.assertRaises(frappe.ValidationError):
			api.rotate_secret()
		frappe.db.rollback()
		stored = get_decrypted_password(connection.SETTINGS, connection.SETTINGS, "webhook_secret")
		self.assertEqual(self.stub.calls("settings.update_webhook")[0].json["secret"], stored)
		self.assertEqual(
			get_decrypted_password(connection.SETTINGS, connection.SETTINGS, "webhook_secret_previous"), SECRET
		)

	def test_is_removed_also_when_the_gateway_does_not_know_it(self):
		webhook_registration.write({"webhook_id": self.ID})
		self.stub.answers["settings.delete_webhook"] = refusal(404, "not_found", "There is no such webhook")
		api.unregister_webhook()
		self.assertIsNone(single("webhook_id") or None)

	def test_can_be_tried(self):
		webhook_registration.write({"webhook_id": self.ID})
		self.stub.answers["settings.test_webhook"] = {
			"ok": True,
			"delivered": True,
			"http_status": 200,
			"error": None,
			"duration_ms": 5,
			"sent": {},
		}
		self.assertEqual(
			api.test_webhook(), {"ok": True, "delivered": True, "http_status": 200, "error": None, "duration_ms": 5}
		)


class Instances(WapBridgeTestCase):
	def test_are_made_and_linked_from_the_desk(self):
		self.stub.answers = {
			"instances.create_instance": {"ok": True, "instance_id": "INST-11-0000009", "status": "starting"},
			"instances.get_qr": {
				"ok": True,
				"status": "qr",
				"qr": "2@x",
				"qr_code": "data:image/png;base64,AAAA",
				"expires_at": "2026-11-21T08:00:20.000Z",
			},
			"instances.instance_status": {
				"ok": True,
				"instance_id": "INST-11-0000009",
				"status": "qr",
				"phone_number": None,
			},
		}
		made = instance_api.create_instance("Warehouse", "Tanzania")
		self.assertEqual(
			self.stub.calls("instances.create_instance")[0].json, {"title": "Warehouse", "default_country": "TZ"}
		)
		self.assertEqual(instance_api.get_qr(made["instance"])["qr_code"], "data:image/png;base64,AAAA")
		self.assertEqual(frappe.db.get_value("WapBridge Instance", made["instance"], "status"), "QR")
		self.stub.answers["instances.get_qr"] = {"ok": True, "status": "ready"}
		self.stub.answers["instances.instance_status"] = {"ok": True, "status": "ready", "phone_number": "255757197676"}
		self.assertEqual(
			instance_api.get_qr(made["instance"]), {"ok": True, "status": "ready", "qr_code": None, "expires_at": None}
		)
		self.assertEqual(
			frappe.db.get_value("WapBridge Instance", made["instance"], ["status", "phone_number"]),
			("Ready", "+255757197676"),
		)

	def test_show_no_picture_that_is_none(self):
		self.stub.answers = {
			"instances.get_qr": {"ok": True, "status": "ready", "qr_code": "javascript:alert(1)"},
			"instances.instance_status": {"ok": True, "status": "ready"},
		}
		self.assertIsNone(instance_api.get_qr(INSTANCE)["qr_code"])

	def test_start_stop_unlink_and_go(self):
		self.stub.answers = {
			f"instances.{action}": {"ok": True, "instance_id": INSTANCE, "status": state}
			for action, state in (("connect", "starting"), ("disconnect", "stopped"), ("logout", "logged_out"))
		}
		self.assertEqual(instance_api.connect(INSTANCE)["status"], "Starting")
		self.assertEqual(instance_api.disconnect(INSTANCE)["status"], "Stopped")
		self.assertEqual(instance_api.logout(INSTANCE)["status"], "Logged Out")
		instance_api.delete_instance(INSTANCE)
		self.assertEqual(frappe.db.get_value("WapBridge Instance", INSTANCE, "status"), "Missing")
		self.assertFalse(single("default_instance"))


class SmsSettings(WapBridgeTestCase):
	BEFORE = {
		"sms_gateway_url": "https://sms.example.com/send",
		"message_parameter": "text",
		"receiver_parameter": "to",
		"use_post": 0,
	}

	def setUp(self):
		super().setUp()
		sms_settings = frappe.get_doc("SMS Settings")
		sms_settings.update({**self.BEFORE, "parameters": [{"parameter": "X-Key", "value": "old-secret", "header": 1}]})
		sms_settings.save()
		frappe.db.commit()

	def tearDown(self):
		frappe.db.delete("Singles", {"doctype": "SMS Settings"})
		frappe.db.delete("SMS Parameter")
		frappe.clear_document_cache("SMS Settings", "SMS Settings")
		frappe.db.commit()
		super().tearDown()

	def test_are_configured_and_restored(self):
		answer = api.configure_sms_settings()
		self.assertEqual(answer["url"], self.stub.url + SMS_METHOD)
		settings = frappe.get_doc("SMS Settings")
		self.assertEqual(
			(settings.message_parameter, settings.receiver_parameter, settings.use_post), ("message", "to_number", 1)
		)
		rows = [(row.parameter, row.value, row.header) for row in settings.parameters]
		self.assertEqual(
			rows,
			[
				("Authorization", "token test-key:test-secret-0123456789", 1),
				("instance_id", INSTANCE, 0),
				("country", "TZ", 0),
			],
		)
		self.assertTrue(any("send-only" in warning for warning in answer["warnings"]))
		api.configure_sms_settings()
		api.undo_sms_settings()
		settings = frappe.get_doc("SMS Settings")
		self.assertEqual({field: settings.get(field) for field in self.BEFORE}, self.BEFORE)
		self.assertEqual(
			[(row.parameter, row.value, row.header) for row in settings.parameters], [("X-Key", "old-secret", 1)]
		)
		with self.assertRaises(frappe.ValidationError):
			api.undo_sms_settings()

	def test_keep_what_was_there_in_no_readable_place(self):
		api.configure_sms_settings()
		for table in ("tabSingles", "`__Auth`"):
			rows = frappe.db.sql(f"select * from {table} where doctype='WapBridge Settings'")
			self.assertNotIn("old-secret", str(rows))

	def test_keep_no_key_in_the_history_of_changes(self):
		# Frappe keeps no history in tests unless it is told that this is none.
		frappe.db.delete("Version", {"ref_doctype": "SMS Settings"})
		self.addCleanup(setattr, frappe.local.flags, "in_test", True)
		frappe.local.flags.in_test = False
		frappe.set_user("Administrator")
		api.configure_sms_settings()
		api.undo_sms_settings()
		frappe.local.flags.in_test = True
		self.assertEqual(frappe.get_all("Version", {"ref_doctype": "SMS Settings"}), [])

	def test_take_the_send_only_key(self):
		configure(self.stub.url, sms_api_key="send", sms_api_secret="only-sends-0123456789")
		answer = api.configure_sms_settings()
		self.assertEqual(frappe.get_doc("SMS Settings").parameters[0].value, "token send:only-sends-0123456789")
		self.assertFalse(any("send-only" in warning for warning in answer["warnings"]))

	def test_refuse_a_key_that_does_not_fit(self):
		configure(self.stub.url, api_key="k" * 130)
		with self.assertRaisesRegex(frappe.ValidationError, "too long"):
			api.configure_sms_settings()

	def test_carry_the_stock_sms_to_the_gateway(self):
		"""As `frappe.core.doctype.sms_settings.sms_settings` sends it: a form, with the header."""
		from frappe.core.doctype.sms_settings import sms_settings as stock

		api.configure_sms_settings()
		with patch.object(stock, "create_sms_log"):
			stock.send_sms(["+255 757 123 456", "0757-999-888"], "Hello *you* & <b>me</b>")
		first, second = [request for request in self.stub.requests if request.path == SMS_METHOD]
		self.assertEqual(first.headers["Authorization"], "token test-key:test-secret-0123456789")
		from urllib.parse import parse_qs

		self.assertEqual(
			parse_qs(first.body.decode()),
			{
				"message": ["Hello *you* & <b>me</b>"],
				"instance_id": [INSTANCE],
				"country": ["TZ"],
				"to_number": ["+255757123456"],
			},
		)
		self.assertEqual(parse_qs(second.body.decode())["to_number"], ["0757999888"])

	def test_make_a_site_its_own_gateway(self):
		"""SMS of one site through the app of another: the stock request against the app's own path."""
		user = self.user("wb-sms@example.com", "WapBridge User")
		doc = frappe.get_doc("User", user)
		doc.api_key, doc.api_secret = "wbkey3", "wbsecret3"
		doc.save()
		body = {"message": "Hello", "instance_id": INSTANCE, "country": "TZ", "to_number": "0757123456"}
		status, answer = request(
			"POST",
			SMS_METHOD,
			data=body,
			headers={"Authorization": "token wbkey3:wbsecret3", "Accept": "text/plain, text/html, */*"},
		)
		self.assertEqual((status, answer["ok"]), (200, True))
		self.assertEqual(self.message().phone, "+255757123456")


class SmsHooks(WapBridgeTestCase):
	"""What Frappe 16 calls in place of SMS Settings."""

	def test_put_sms_and_codes_into_the_outbox(self):
		webhook_registration.write({"use_for_sms": 1})
		sms.send_sms(json.dumps(["0757 123 456", "x"]), "Hello", success_msg=False)
		self.assertTrue(sms.send_token_via_sms("JBSWY3DPEHPK3PXP", token="1", phone_no="+255 757 123 456"))
		frappe.db.commit()
		self.assertEqual(sorted(row.status for row in self.messages()), ["Failed", "Queued", "Queued"])
		code = self.message(priority="High")
		self.assertRegex(code.message, r"^Your verification code is \d{6}$")

	def test_leave_sms_settings_alone_without_the_switch(self):
		from frappe.core.doctype.sms_settings import sms_settings as stock

		frappe.db.set_single_value("SMS Settings", "sms_gateway_url", "https://sms.example.com")
		with patch.object(stock, "send_via_gateway") as sent:
			sms.send_sms(["+255 757 123 456"], "Hello")
		frappe.db.set_single_value("SMS Settings", "sms_gateway_url", None)
		self.assertEqual(sent.call_args.args[0]["receiver_list"], ["+255757123456"])
		self.assertEqual(self.messages(), [])
