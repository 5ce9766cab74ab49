"""A site with a stub gateway, for tests on a real Frappe site."""

import json
import threading
import time

import frappe
from frappe.utils.password import set_encrypted_password

from wap_bridge import connection, webhook_registration
from wap_bridge.tests.stub import StubGateway
from wap_bridge.wire.signature import sign

try:
	from frappe.tests import IntegrationTestCase as FrappeTestCase
except ImportError:
	from frappe.tests.utils import FrappeTestCase

INSTANCE = "INST-01-0000142"
SECRET = "webhook-secret-0123456789"
OURS = ("Message", "Contact", "Campaign", "Campaign Recipient", "Webhook Event", "Template", "Instance")
# For threads of the stub, which know no site.
SITE: dict[str, str] = {}
PDF = b"%PDF-1.4 stand-in"


class WapBridgeTestCase(FrappeTestCase):
	"""Each test begins with an enabled app, one linked instance, an empty outbox, and a gateway that takes everything."""

	def setUp(self):
		super().setUp()
		frappe.set_user("Administrator")
		SITE.update(name=frappe.local.site, path=frappe.local.sites_path)
		self.clear()
		self.stub = StubGateway()
		self.addCleanup(self.stub.close)
		configure(self.stub.url)
		frappe.get_doc({"doctype": "WapBridge Instance", "instance_id": INSTANCE, "title": "Front desk"}).insert()
		frappe.db.set_value("WapBridge Instance", INSTANCE, {"status": "Ready", "phone_number": "+255757197676"})
		frappe.db.commit()
		self.addCleanup(self.clear)

	def clear(self):
		frappe.set_user("Administrator")
		frappe.db.rollback()
		for name in OURS:
			frappe.db.delete(f"WapBridge {name}")
		for name in frappe.get_all("Contact", filters={"first_name": ("like", "WB %")}, pluck="name"):
			frappe.delete_doc("Contact", name, force=True)
		frappe.db.delete("File", {"attached_to_doctype": ("like", "WapBridge %")})
		frappe.db.delete("Communication", {"communication_medium": "Chat"})
		frappe.db.delete("Notification Log")
		for name in frappe.get_all("Notification", filters={"name": ("like", "WB %")}, pluck="name"):
			frappe.delete_doc("Notification", name, force=True)
		webhook_registration.write({"enabled": 0, "sms_configured": 0, "webhook_id": None, "use_for_sms": 0})
		frappe.db.commit()

	def messages(self, **filters):
		"""Returns messages, the oldest first."""
		frappe.db.rollback()
		return frappe.get_all(
			"WapBridge Message", filters=filters, fields=["*"], order_by="creation, name", limit_page_length=0
		)

	def message(self, **filters):
		found = self.messages(**filters)
		self.assertEqual(len(found), 1, found)
		return found[0]

	def contact(self, name="WB Asha", number="0757 123 456", links=()):
		doc = frappe.get_doc(
			{
				"doctype": "Contact",
				"first_name": name,
				"phone_nos": [{"phone": number, "is_primary_mobile_no": 1}] if number else [],
				"links": [{"link_doctype": doctype, "link_name": docname} for doctype, docname in links],
			}
		).insert()
		frappe.db.commit()
		return doc

	def user(self, email, *roles):
		if not frappe.db.exists("User", email):
			frappe.get_doc(
				{"doctype": "User", "email": email, "first_name": email.split("@")[0], "send_welcome_email": 0}
			).insert()
		doc = frappe.get_doc("User", email)
		doc.set("roles", [])
		doc.add_roles(*roles)
		frappe.db.commit()
		return email


def configure(url, **more):
	settings = frappe.get_doc(connection.SETTINGS)
	settings.update(
		{
			"enabled": 1,
			"gateway_url": url,
			"api_key": "test-key",
			"api_secret": "test-secret-0123456789",
			"default_instance": None,
			"default_country": "Tanzania",
			"request_timeout": 30,
			"create_communications": 1,
			"auto_create": "None",
			"skip_opted_out": 1,
			"html_to_whatsapp": 1,
			"max_attempts": 3,
			"max_inline_media_mb": 1,
			"notify_role": None,
			"notify_users": [],
			"site_url": "https://site.example.com",
			"contacts_indexed_on": frappe.utils.now_datetime(),
			"sms_api_key": None,
			"sms_api_secret": None,
			"webhook_secret_rotated_on": None,
			**more,
		}
	)
	settings.save()
	set_encrypted_password(connection.SETTINGS, connection.SETTINGS, SECRET, "webhook_secret")
	webhook_registration.write(
		{
			"webhook_secret": "*" * len(SECRET),
			"webhook_secret_rotated_on": None,
			"default_instance": more.get("default_instance", INSTANCE),
		}
	)
	frappe.db.commit()


def post_webhook(payload, secret=SECRET, signed=True, body=None, **headers):
	"""Posts an event to the site as the gateway does, through all of Frappe; returns `(status, answer)`."""
	body = json.dumps(payload).encode() if body is None else body
	sent = {"Content-Type": "application/json", "X-Wapbridge-Secret": secret}
	if signed:
		stamp = str(int(time.time()))
		sent |= {"webhook-id": headers.pop("webhook_id", "msg_1"), "webhook-timestamp": stamp}
		sent["webhook-signature"] = sign(secret, sent["webhook-id"], stamp, body)
	return request("POST", "/api/method/wap_bridge.api.webhook.receive", data=body, headers={**sent, **headers})


def request(method, path, **options):
	"""Sends a request through all of Frappe, in a thread of its own, as a server would; returns `(status, answer)`."""
	from frappe.app import application
	from werkzeug.test import Client

	frappe.db.commit()
	site = frappe.local.site
	found = {}

	def run():
		options.setdefault("headers", {})["X-Frappe-Site-Name"] = site
		import frappe.app

		# The site of bench commands is in a variable of the module, which a server sets from the request.
		before, frappe.app._site = frappe.app._site, site
		try:
			response = Client(application).open(path, method=method, **options)
			found["answer"] = response.status_code, response.get_json(silent=True) or {}
			response.close()
		finally:
			frappe.app._site = before

	thread = threading.Thread(target=run)
	thread.start()
	thread.join()
	frappe.db.rollback()
	status, answer = found["answer"]
	return status, answer.get("message", answer)


def frappe_in_another_process(function):
	"""Returns what a function returns that runs with a connection and a transaction of its own, and is committed."""
	found = {}

	def run():
		frappe.init(site=SITE["name"], sites_path=SITE["path"])
		frappe.connect()
		try:
			frappe.set_user("Administrator")
			found["answer"] = function()
			frappe.db.commit()
		finally:
			frappe.destroy()

	thread = threading.Thread(target=run)
	thread.start()
	thread.join()
	return found["answer"]


def run_now(method, *, queue=None, timeout=None, job_id=None, deduplicate=None, enqueue_after_commit=None, **arguments):
	"""Stands in for `frappe.enqueue`: does a job at once."""
	return frappe.get_attr(method)(**arguments)


def inbound(**changes):
	"""Returns the source's own body, with the fields that the gateway adds."""
	message = {
		"id": "false_120542636048510@lid_A586DC71E697153420998E09871EA237",
		"from": "120542636048510@lid",
		"to": "255757197676@c.us",
		"body": "Sawa",
		"fromMe": False,
		"timestamp": 1767791640,
		"type": "chat",
		"hasMedia": False,
		**changes.pop("message", {}),
	}
	return {
		"instance_id": INSTANCE,
		"customer": "CUST-0143",
		"phone_number": "255757197676",
		"message": message,
		"event": "message.received",
		"sender_phone": "255757123456",
		"sender_name": "Asha",
		"chat_id": message["from"],
		"is_group": False,
		**changes,
	}


def status_event(message_id, status, ack=1, reason=None, **changes):
	return {
		"instance_id": INSTANCE,
		"event": "message.status",
		"message": {"id": message_id, "to": "255757123456@c.us", "status": status, "ack": ack, "reason": reason},
		"acked_at": "2026-01-07T13:14:00.000Z",
		**changes,
	}
