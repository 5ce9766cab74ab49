"""The stock SMS channel through the gateway: Frappe's own SMS Settings code runs here."""

from unittest.mock import patch
from urllib.parse import parse_qs

import frappe
from frappe.core.doctype.sms_settings.sms_settings import send_sms

from wap_bridge.api import settings
from wap_bridge.tests.base import INSTANCE, WapBridgeTestCase

BEFORE = {
	"sms_gateway_url": "https://sms.example.com/send",
	"message_parameter": "text",
	"receiver_parameter": "dest",
	"use_post": 0,
}


def run_now(method, queue=None, timeout=None, event=None, is_async=None, job_name=None, now=None, **arguments):
	return method(**arguments)


class Sms(WapBridgeTestCase):
	def setUp(self):
		super().setUp()
		sms = frappe.get_doc("SMS Settings")
		sms.update(BEFORE)
		sms.set("parameters", [{"parameter": "apikey", "value": "the-old-key", "header": 1}])
		sms.save()
		frappe.db.commit()
		self.addCleanup(self.empty)

	def empty(self):
		frappe.db.delete("Singles", {"doctype": "SMS Settings"})
		frappe.db.delete("SMS Parameter")
		frappe.db.commit()

	def sent(self):
		return [
			(dict(request.headers), {key: value[0] for key, value in parse_qs(request.body.decode()).items()})
			for request in self.stub.calls("whatsapp.erpnext_notification_gateway")
		]

	def stock_send(self, *numbers):
		# A site without ERPNext has no SMS Log, and Frappe stumbles over that after the message is sent.
		with patch("frappe.core.doctype.sms_settings.sms_settings.create_sms_log"):
			send_sms(list(numbers), "Your order *7* is ready\nàéí 100%", success_msg=False)

	def test_the_stock_code_reaches_the_gateway(self):
		settings.configure_sms_settings()
		self.stock_send("+255 757 123 456", "0757-000-111")
		(headers, first), (_, second) = self.sent()
		self.assertEqual(headers["Authorization"], "token test-key:test-secret-0123456789")
		self.assertEqual(first["message"], "Your order *7* is ready\nàéí 100%")
		self.assertEqual(first["to_number"], "+255757123456")
		self.assertEqual(first["instance_id"], INSTANCE)
		self.assertEqual(second["to_number"], "0757000111")
		# Local numbers are read as this site reads them.
		self.assertEqual(second["country"], "TZ")

	def test_prefers_the_key_that_can_only_send(self):
		doc = frappe.get_doc("WapBridge Settings")
		doc.update({"sms_api_key": "send-key", "sms_api_secret": "send-secret"})
		doc.save()
		answer = settings.configure_sms_settings()
		self.stock_send("+255757123456")
		self.assertEqual(self.sent()[0][0]["Authorization"], "token send-key:send-secret")
		self.assertFalse([warning for warning in answer["warnings"] if "API key" in warning])

	def test_undo_restores_what_was_there_to_the_letter(self):
		settings.configure_sms_settings()
		# Configuring twice must not take our own values for those of before.
		settings.configure_sms_settings()
		settings.undo_sms_settings()
		sms = frappe.get_doc("SMS Settings")
		self.assertEqual({field: sms.get(field) for field in BEFORE}, BEFORE)
		self.assertEqual(
			[(row.parameter, row.value, row.header) for row in sms.parameters], [("apikey", "the-old-key", 1)]
		)

	def test_undo_without_a_configure_says_so(self):
		self.assertRaises(frappe.ValidationError, settings.undo_sms_settings)

	def test_a_refusal_of_the_gateway_is_an_error_for_the_sender(self):
		settings.configure_sms_settings()
		self.stub.answers["whatsapp.erpnext_notification_gateway"] = (417, {"ok": False, "message": "No such number"})
		import requests

		self.assertRaises(requests.HTTPError, self.stock_send, "12")

	def test_one_time_codes_reach_the_gateway(self):
		from frappe.twofactor import send_token_via_sms

		settings.configure_sms_settings()
		# The worker's part, done here.
		with patch("frappe.twofactor.enqueue", side_effect=run_now):
			send_token_via_sms("JBSWY3DPEHPK3PXP", token="1", phone_no="+255 757 123 456")
		(_, fields) = self.sent()[0]
		self.assertRegex(fields["message"], r"\b\d{6}\b")
		self.assertEqual(fields["instance_id"], INSTANCE)
