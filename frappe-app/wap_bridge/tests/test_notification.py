import json
import socket
from unittest.mock import patch
from urllib.parse import urlsplit

import frappe

from wap_bridge import delivery, webhook_registration
from wap_bridge.tests.base import INSTANCE, PDF, WapBridgeTestCase, request


class Channel(WapBridgeTestCase):
	def notification(self, **fields):
		doc = frappe.get_doc(
			{
				"doctype": "Notification",
				"name": "WB test",
				"subject": "WB test",
				"channel": "WapBridge",
				"document_type": "Contact",
				"event": "New",
				"message": "Hello {{ doc.first_name }}",
				"recipients": [{"receiver_by_document_field": "mobile_no"}],
				**fields,
			}
		).insert()
		frappe.db.commit()
		return doc

	def new_contact(self, name="WB Asha", number="0757 123 456"):
		contact = self.contact(name, number)
		return contact

	def sent(self):
		return [(row.phone or row.chat_id, row.message) for row in self.messages()]

	def test_sends_what_the_stock_form_says(self):
		self.notification()
		contact = self.new_contact()
		row = self.message()
		self.assertEqual((row.phone, row.message, row.status), ("+255757123456", "Hello WB Asha", "Queued"))
		self.assertEqual((row.reference_doctype, row.reference_name), ("Contact", contact.name))
		self.assertEqual((row.notification, row.instance), ("WB test", INSTANCE))
		delivery.deliver([row.name])
		self.assertEqual(self.stub.calls("whatsapp.send_api_message")[0].json["message"], "Hello WB Asha")

	def test_sends_nothing_when_the_document_is_not_saved_after_all(self):
		self.notification()
		with patch("frappe.enqueue") as enqueue:
			frappe.get_doc(
				{
					"doctype": "Contact",
					"first_name": "WB Gone",
					"phone_nos": [{"phone": "0757123456", "is_primary_mobile_no": 1}],
				}
			).insert()
			frappe.db.rollback()
			frappe.db.commit()
		enqueue.assert_not_called()
		self.assertEqual(self.messages(), [])

	def test_asks_the_conditions_of_form_and_row(self):
		self.notification(
			condition='doc.first_name != "WB No"',
			recipients=[{"receiver_by_document_field": "mobile_no", "condition": 'doc.first_name == "WB Yes"'}],
		)
		for name in ("WB No", "WB Maybe", "WB Yes"):
			self.new_contact(name)
		self.assertEqual(self.sent(), [("+255757123456", "Hello WB Yes")])

	def test_writes_to_owners_roles_numbers_groups_and_jinja_each_once(self):
		manager = self.user("wb-manager@example.com", "WapBridge Manager")
		frappe.db.set_value("User", manager, "mobile_no", "+255757000001")
		frappe.db.set_value("User", "Administrator", "mobile_no", "0757 000 002")
		self.notification(
			recipients=[
				{"receiver_by_document_field": "owner"},
				{"receiver_by_document_field": "mobile_no"},
				{"receiver_by_role": "WapBridge Manager"},
			],
			wapbridge_recipients="+255757000003, 0757 123 456\n120363041234567890@g.us\n{% if doc.phone %}{{ doc.phone }}{% endif %}{{ doc.mobile_no }}",
		)
		self.new_contact()
		self.assertEqual(
			sorted(to for to, _text in self.sent()),
			["+255757000001", "+255757000002", "+255757000003", "+255757123456", "120363041234567890@g.us"],
		)
		frappe.db.set_value("User", "Administrator", "mobile_no", None)

	def test_one_bad_number_costs_nobody_else_the_message_and_is_seen(self):
		self.notification(wapbridge_recipients="{{ 'call me' }}, +255757000003")
		self.new_contact()
		self.assertEqual(sorted(row.status for row in self.messages()), ["Failed", "Queued", "Queued"])
		self.assertEqual(self.message(status="Failed").error, "call me is not a phone number")

	def test_turns_html_into_markup(self):
		self.notification(message="<p>Dear <b>{{ doc.first_name }}</b>,</p><p>thanks &amp; bye</p>")
		self.new_contact()
		self.assertEqual(self.message().message, "Dear *WB Asha*,\n\nthanks & bye")

	def test_sends_the_print_format_as_pdf_from_the_worker(self):
		self.notification(attach_print=1, message="Your card")
		with patch("frappe.get_print") as printed:
			contact = self.new_contact()
			printed.assert_not_called()
		row = self.message()
		self.assertEqual((row.attach_pdf, row.media), (1, None))
		with patch("frappe.get_print", return_value=PDF):
			delivery.deliver([row.name])
		sent = self.stub.calls("whatsapp.send_api_message")[0].json
		self.assertEqual((sent["filename"], sent["caption"]), (f"{contact.name.replace(' ', '-')}.pdf", "Your card"))

	def test_sends_a_real_pdf(self):
		if not site_answers():
			self.skipTest("printing needs the site's web server, for its style sheets")
		self.notification(attach_print=1, message="")
		self.new_contact()
		delivery.deliver([self.message().name])
		sent = self.stub.calls("whatsapp.send_api_message")[0].json
		self.assertTrue(sent["media_data"].startswith("JVBERi0"), "%PDF-")
		self.assertGreater(len(sent["media_data"]), 4000)

	def test_respects_what_print_settings_say_about_drafts(self):
		self.notification(attach_print=1)
		frappe.db.set_single_value("Print Settings", "allow_print_for_draft", 0)
		frappe.db.delete("Error Log")
		self.new_contact()
		frappe.db.set_single_value("Print Settings", "allow_print_for_draft", 1)
		frappe.db.commit()
		self.assertEqual(self.messages(), [])
		self.assertEqual(frappe.db.count("Error Log", {"method": ("like", "%Failed to send Notification%")}), 1)

	def test_sends_attached_files_each_by_itself(self):
		contact = self.new_contact("WB Files")
		self.notification(event="Save", wapbridge_attach_files=1)
		frappe.get_doc(
			{
				"doctype": "File",
				"file_name": f"{frappe.generate_hash(length=8)}.txt",
				"content": "terms",
				"attached_to_doctype": "Contact",
				"attached_to_name": contact.name,
			}
		).insert()
		# Read anew: a document remembers which Notifications there were when it was inserted.
		frappe.get_doc("Contact", contact.name).save()
		frappe.db.commit()
		text, file = self.messages()
		self.assertEqual((text.message, file.message, bool(file.media)), ("Hello WB Files", "", True))
		for row in self.messages():
			delivery.deliver([row.name])
		self.assertEqual(self.stub.calls("whatsapp.send_api_message")[1].json["media_data"], "dGVybXM=")

	def test_leaves_out_who_opted_out(self):
		self.notification()
		frappe.get_doc({"doctype": "WapBridge Contact", "phone": "+255757123456", "opted_out": 1}).insert()
		self.new_contact()
		row = self.message()
		self.assertEqual((row.status, row.error_code), ("Cancelled", "opted_out"))
		webhook_registration.write({"skip_opted_out": 0})
		self.new_contact("WB Two")
		self.assertEqual(len(self.messages(status="Queued")), 1)

	def test_a_broken_template_does_not_stop_the_document(self):
		self.notification(message="{{ doc.no_such_method() }}")
		frappe.db.delete("Error Log")
		contact = self.new_contact()
		self.assertTrue(frappe.db.exists("Contact", contact.name))
		self.assertEqual(self.messages(), [])
		self.assertEqual(frappe.db.count("Error Log"), 1)

	def test_a_gateway_that_is_not_configured_does_not_stop_the_document(self):
		self.notification()
		webhook_registration.write({"enabled": 0})
		contact = self.new_contact()
		self.assertTrue(frappe.db.exists("Contact", contact.name))
		self.assertEqual(self.messages(), [])

	def test_sets_the_property_after_the_alert_and_the_system_notification_as_stock(self):
		user = self.user("wb-manager@example.com", "WapBridge Manager")
		self.notification(
			set_property_after_alert="department",
			property_value="WhatsApp sent",
			send_system_notification=1,
			recipients=[{"receiver_by_document_field": "mobile_no"}, {"receiver_by_role": "WapBridge Manager"}],
		)
		contact = self.new_contact()
		self.assertEqual(frappe.db.get_value("Contact", contact.name, "department"), "WhatsApp sent")
		self.assertTrue(self.messages())
		self.assertTrue(user)

	def test_checks_what_is_entered(self):
		bad = [
			{"message": "{{ doc.name "},
			{"wapbridge_recipients": "{{ doc.name "},
			{"wapbridge_recipients": "call me"},
			{"recipients": [], "wapbridge_recipients": ""},
			{"message": "  "},
		]
		for fields in bad:
			with self.subTest(str(fields)), self.assertRaises(frappe.ValidationError):
				self.notification(**fields)
			frappe.db.rollback()

	def test_other_channels_are_as_they_were(self):
		doc = self.notification(channel="System Notification", recipients=[{"receiver_by_role": "System Manager"}])
		self.new_contact()
		self.assertEqual(self.messages(), [])
		frappe.delete_doc("Notification", doc.name, force=True)

	def test_stands_on_the_override_of_another_app(self):
		from wap_bridge.overrides import notification as ours

		if not hasattr(frappe, "get_hooks") or int(frappe.__version__.split(".")[0]) >= 16:
			self.skipTest("Frappe 16 stacks extensions itself")
		with patch(
			"frappe.get_hooks",
			return_value={"Notification": [f"{__name__}.OtherNotification", f"{ours.__name__}.WapBridgeNotification"]},
		):
			stacked = ours.WapBridgeNotification
		self.assertTrue(issubclass(stacked, OtherNotification))
		self.assertTrue(issubclass(stacked, ours.WapBridgeNotificationMixin))
		self.assertFalse(issubclass(ours.WapBridgeNotification, OtherNotification))


from frappe.email.doctype.notification.notification import Notification


def site_answers() -> bool:
	address = urlsplit(frappe.utils.get_url())
	try:
		socket.create_connection((address.hostname, address.port or 80), timeout=2).close()
	except OSError:
		return False
	return True


class OtherNotification(Notification):
	"""As another app would override it."""


class FormButton(WapBridgeTestCase):
	def call(self, method, **arguments):
		answer = frappe.call(f"wap_bridge.api.documents.{method}", **arguments)
		frappe.db.commit()
		return answer

	def test_offers_numbers_instances_templates_and_formats(self):
		contact = self.contact(number="0757 123 456")
		frappe.get_doc(
			{
				"doctype": "WapBridge Template",
				"title": "Greeting",
				"document_type": "Contact",
				"message": "Hi {{ doc.first_name }}",
			}
		).insert()
		frappe.get_doc(
			{"doctype": "WapBridge Template", "title": "Other", "document_type": "ToDo", "message": "x"}
		).insert()
		options = self.call("get_send_options", doctype="Contact", name=contact.name)
		self.assertEqual([entry["number"] for entry in options["numbers"]], ["+255757123456"])
		self.assertEqual(options["default_instance"], INSTANCE)
		self.assertEqual([row.name for row in options["templates"]], ["Greeting"])
		self.assertIn("Standard", options["print_formats"])
		self.assertTrue(options["can_send"])
		self.assertEqual((options["can_print"], options["is_person"], options["attach_pdf"]), (True, True, False))

	def test_finds_the_numbers_of_contacts_of_the_party(self):
		party = frappe.get_doc({"doctype": "Note", "title": "WB party"}).insert()
		self.contact("WB Neema", "+255757000009", links=[("Note", party.name)])
		options = self.call("get_send_options", doctype="Note", name=party.name)
		self.assertEqual((options["is_person"], options["attach_pdf"]), (False, True))
		self.assertEqual(options["numbers"], [{"number": "+255757000009", "label": "WB Neema", "opted_out": False}])
		party.delete(force=True)

	def test_previews_and_sends_a_template_with_pdf(self):
		contact = self.contact()
		frappe.get_doc(
			{"doctype": "WapBridge Template", "title": "Greeting", "message": "<p>Hi <b>{{ doc.first_name }}</b></p>"}
		).insert()
		self.assertEqual(
			self.call("preview", doctype="Contact", name=contact.name, template="Greeting")["text"], "Hi *WB Asha*"
		)
		sent = self.call(
			"send_document",
			doctype="Contact",
			name=contact.name,
			to_number="0757 123 456",
			template="Greeting",
			attach_pdf="1",
		)
		row = self.message(name=sent["messages"][0])
		self.assertEqual(
			(row.message, row.attach_pdf, row.template, row.reference_name),
			("Hi *WB Asha*", 1, "Greeting", contact.name),
		)

	def test_writes_what_a_user_types_as_it_is(self):
		contact = self.contact()
		user = self.user("wb-seller@example.com", "WapBridge User", "Sales User")
		frappe.set_user(user)
		text = "{{ frappe.db.get_value('User', 'Administrator', 'email') }} <b>x</b>"
		self.call("send_document", doctype="Contact", name=contact.name, to_number="0757123456", message=text)
		frappe.set_user("Administrator")
		frappe.db.commit()
		self.assertEqual(self.message().message, text)

	def test_needs_the_rights_to_send_to_read_and_to_print(self):
		contact = self.contact()
		outsider = self.user("wb-outsider@example.com", "WapBridge User")
		reader = self.user("wb-reader@example.com", "Sales User")
		for user in (outsider, reader):
			frappe.set_user(user)
			with self.subTest(user), self.assertRaises(frappe.PermissionError):
				self.call("send_document", doctype="Contact", name=contact.name, to_number="0757123456", message="x")
		frappe.set_user("Administrator")
		self.assertEqual(self.messages(), [])

	def test_sends_to_each_of_a_list_and_says_who_is_left_out(self):
		names = [
			self.contact("WB A", "0757000001").name,
			self.contact("WB B", "").name,
			self.contact("WB C", "0757000003").name,
		]
		frappe.db.set_value("WapBridge Contact", {"phone": "+255757000003"}, "opted_out", 1)
		answer = self.call(
			"send_documents", doctype="Contact", names=json.dumps(names), message="Hi {{ doc.first_name }}"
		)
		self.assertEqual(answer["queued"], 1)
		self.assertEqual([entry["name"] for entry in answer["skipped"]], names[1:])
		frappe.db.commit()
		self.assertEqual((self.message().message, self.message().priority), ("Hi WB A", "Low"))

	def test_answers_by_the_sources_own_paths_as_a_gateway(self):
		user = self.user("wb-api@example.com", "WapBridge User")
		doc = frappe.get_doc("User", user)
		doc.api_key, doc.api_secret = "wbkey", "wbsecret"
		doc.save()
		headers = {"Authorization": "token wbkey:wbsecret"}
		base = "/api/method/wap_bridge.api.whatsapp."
		status, answer = request(
			"POST",
			base + "send_api_message",
			json={"from_number": "+255757197676", "to_number": "+255755123456", "message": "Hello from WapBridge"},
			headers=dict(headers),
		)
		self.assertEqual((status, answer["ok"], answer["service"]["ok"]), (200, True, True))
		self.assertEqual(self.message(name=answer["service"]["id"]).instance, INSTANCE)
		media = {
			"to_number": "+255755123456",
			"caption": "Invoice attached",
			"media_data": "JVBERi0=",
			"mime_type": "application/pdf",
			"filename": "invoice.pdf",
		}
		status, answer = request("POST", base + "send_api_message", json=media, headers=dict(headers))
		row = self.message(name=answer["service"]["id"])
		self.assertEqual(
			(row.filename, row.mime_type, row.message), ("invoice.pdf", "application/pdf", "Invoice attached")
		)
		self.assertEqual(
			frappe.db.get_value("File", {"file_url": row.media}, ["is_private", "attached_to_name"]), (1, row.name)
		)
		form = {"message": "Hi <b>you</b>", "to_number": "0757123456,0757999888"}
		status, answer = request("POST", base + "erpnext_notification_gateway", data=form, headers=dict(headers))
		self.assertEqual((status, len(answer["ids"])), (200, 2))
		self.assertEqual(self.message(name=answer["ids"][1]).message, "Hi *you*")
		status, answer = request("GET", base + "erpnext_notification_gateway", query_string=form, headers=dict(headers))
		self.assertEqual(len(self.messages()), 6)
		for bad in ({"to_number": "12", "message": "x"}, {"to_number": "+255755123456"}, {"message": "x"}):
			self.assertEqual(request("POST", base + "send_api_message", json=bad, headers=dict(headers))[0], 417)
		self.assertEqual(request("POST", base + "send_api_message", json=media)[0], 403)
