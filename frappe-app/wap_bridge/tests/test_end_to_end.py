"""This site and a real gateway with its sandbox. Runs when the environment says where they are:

- `WAPBRIDGE_GATEWAY_URL`, `WAPBRIDGE_GATEWAY_KEY`, `WAPBRIDGE_GATEWAY_SECRET`: a gateway started with `SANDBOX=true` and this site's
  network in `WEBHOOK_ALLOW_CIDRS`;
- `WAPBRIDGE_SITE_URL`: where this site is served, so that the gateway reaches its webhook; without it what comes in is not tested.
"""

import base64
import os
import time
import unittest
from unittest.mock import patch

import frappe
import requests

from wap_bridge import campaign_prepare, delivery, tasks
from wap_bridge.api import campaigns, documents, instances, settings, whatsapp
from wap_bridge.tests.base import WapBridgeTestCase, configure

URL = os.environ.get("WAPBRIDGE_GATEWAY_URL", "").rstrip("/")
SITE = os.environ.get("WAPBRIDGE_SITE_URL", "").rstrip("/")
OWN = "254700000042"
PERSON = "254712000042"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def phone_does(action, **fields):
	"""Does something on the simulated phone."""
	answer = requests.post(f"{URL}/sandbox/api/{action}", json=fields, timeout=60)
	answer.raise_for_status()
	return answer.json()


def until(check, seconds=90):
	"""Returns what `check` finds, once it finds something."""
	end = time.monotonic() + seconds
	while time.monotonic() < end:
		frappe.db.rollback()
		found = check()
		if found:
			return found
		time.sleep(0.3)
	raise AssertionError("it did not happen in time")


@unittest.skipUnless(URL, "WAPBRIDGE_GATEWAY_URL names no gateway")
class EndToEnd(WapBridgeTestCase):
	def setUp(self):
		super().setUp()
		frappe.db.delete("WapBridge Instance")
		configure(
			URL,
			api_key=os.environ["WAPBRIDGE_GATEWAY_KEY"],
			api_secret=os.environ["WAPBRIDGE_GATEWAY_SECRET"],
			default_country="Kenya",
			site_url=SITE or "https://site.example.com",
			request_timeout=30,
			default_instance=None,
		)
		self.instance = self.linked_instance()

	def linked_instance(self):
		"""The steps of a new user: test the connection, make an instance, show its code, scan it."""
		found = settings.test_connection()
		for row in found["instances"]:
			if row["status"] == "ready" and row["phone_number"] == OWN:
				return self.chosen(row["instance_id"])
		name = instances.create_instance("WB end to end", "Kenya")["instance"]
		frappe.db.commit()
		code = until(lambda: instances.get_qr(name).get("qr_code"), 60)
		self.assertTrue(base64.b64decode(code.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG"))
		phone_does("link", instance_id=name, phone_number=OWN, name="Duka")
		until(lambda: instances.get_qr(name)["status"] == "ready", 60)
		return self.chosen(name)

	def chosen(self, name):
		frappe.db.commit()
		frappe.db.set_single_value("WapBridge Settings", "default_instance", name)
		frappe.db.commit()
		frappe.clear_document_cache("WapBridge Settings", "WapBridge Settings")
		self.assertEqual(frappe.db.get_value("WapBridge Instance", name, "status"), "Ready")
		return name

	def listen(self):
		"""Lets the gateway post its events to this site for the length of a test."""
		settings.register_webhook()
		frappe.db.commit()
		self.addCleanup(settings.unregister_webhook)

	def deliver(self):
		"""The worker's part."""
		frappe.db.commit()
		delivery.flush()
		frappe.db.commit()

	def on_the_phone(self):
		"""Returns all messages that the simulated network knows of our number, as JSON text."""
		return requests.get(f"{URL}/sandbox/api/messages", params={"instance_id": self.instance}, timeout=30).text

	def test_a_document_goes_out_as_pdf_and_its_ticks_come_back(self):
		person = self.contact("WB Asha", "0712 000 042")
		if SITE:
			self.listen()
		sent = documents.send_document(
			"Contact", person.name, "0712 000 042", message="Your card, *Asha*", attach_pdf=1, print_format="Standard"
		)
		self.deliver()
		name = sent["messages"][0]
		until(lambda: frappe.db.get_value("WapBridge Message", name, "message_id"))

		def is_read():
			# The webhook brings it where this site is served; else the job that asks.
			if not SITE:
				frappe.db.set_value("WapBridge Message", name, "checked_at", None)
				whatsapp.refresh_message(name)
				frappe.db.commit()
			return frappe.db.get_value("WapBridge Message", name, "status") == "Read"

		until(is_read)
		self.assertIn("WB-Asha.pdf", self.on_the_phone())

	@unittest.skipUnless(SITE, "WAPBRIDGE_SITE_URL names no served site")
	def test_what_people_write_stands_on_the_timeline_with_its_file(self):
		person = self.contact("WB Asha", "0712 000 042")
		self.listen()
		self.assertTrue(settings.test_webhook()["delivered"])
		phone_does(
			"receive",
			instance_id=self.instance,
			**{"from": PERSON},
			name="Asha <b>",
			text="Here it is <img src=x onerror=alert(1)>",
			media={"mime_type": "image/png", "data": PNG, "filename": "receipt.png"},
		)
		row = until(lambda: self.messages(direction="Incoming", media_status="Stored"))[0]
		self.assertEqual(row.phone, f"+{PERSON}")
		self.assertTrue(row.media.startswith("/private/files/"))
		mail = frappe.get_doc("Communication", row.communication)
		self.assertIn("&lt;img", mail.content)
		links = {(link.link_doctype, link.link_name) for link in mail.timeline_links}
		self.assertTrue(
			(mail.reference_doctype, mail.reference_name) == ("Contact", person.name)
			or ("Contact", person.name) in links
		)

	def test_the_stock_sms_channel_reaches_the_phone(self):
		from frappe.core.doctype.sms_settings.sms_settings import send_sms

		settings.configure_sms_settings()
		frappe.db.commit()
		self.addCleanup(settings.undo_sms_settings)
		text = f"Code {frappe.generate_hash(length=8)}"
		with patch("frappe.core.doctype.sms_settings.sms_settings.create_sms_log"):
			send_sms([f"+{PERSON}"], text, success_msg=False)

		until(lambda: text in self.on_the_phone())

	def test_a_campaign_runs_to_its_end_with_a_result_for_each(self):
		numbers = [f"+2547120000{i}" for i in (51, 52, 53)]
		doc = frappe.get_doc(
			{
				"doctype": "WapBridge Campaign",
				"title": "WB end to end",
				"instance": self.instance,
				# The gateway writes nobody the same text twice within a day.
				"message": f"Open on Sunday {frappe.generate_hash(length=8)}",
				"manual_numbers": "\n".join([*numbers, numbers[0], "12"]),
				"median_seconds": 0.2,
				"min_seconds": 0.1,
				"max_seconds": 0.3,
				"no_quiet_hours": 1,
			}
		).insert()
		frappe.db.commit()
		campaigns.start_campaign(doc.name)
		frappe.db.commit()
		# Where no worker runs, its part is done here; never both.
		try:
			until(lambda: frappe.db.get_value(doc.doctype, doc.name, "status") != "Preparing", 10)
		except AssertionError:
			campaign_prepare.prepare(doc.name)
			frappe.db.commit()

		def is_done():
			tasks.sync_campaigns()
			frappe.db.commit()
			return frappe.db.get_value(doc.doctype, doc.name, "status") == "Completed"

		until(is_done, 60)
		states = frappe.get_all(
			"WapBridge Campaign Recipient", {"campaign": doc.name, "phone": ("in", numbers)}, pluck="status"
		)
		self.assertEqual(len(states), 3)
		self.assertTrue(set(states) <= {"Accepted", "Sent", "Delivered", "Read"}, states)
