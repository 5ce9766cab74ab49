import base64
import json
from pathlib import Path
from unittest.mock import patch

import frappe
from frappe.utils import add_to_date, now_datetime

from wap_bridge import inbox, webhook_events, webhook_registration
from wap_bridge.tests.base import (
	INSTANCE,
	SECRET,
	WapBridgeTestCase,
	frappe_in_another_process,
	inbound,
	post_webhook,
	request,
	status_event,
)
from wap_bridge.wire import payload as wire

PNG = base64.b64decode(
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def with_media(**media):
	data = {"mimetype": "image/png", "filename": "photo.png", **media}
	return inbound(message={"type": "image", "hasMedia": True, "caption": "Look", "body": "Look", "media": data})


class Door(WapBridgeTestCase):
	"""Who gets in."""

	def test_lets_the_gateway_in(self):
		self.assertEqual(post_webhook(inbound()), (200, {"ok": True}))
		self.assertEqual(post_webhook(inbound(message={"id": "false_1@lid_B"}), signed=False), (200, {"ok": True}))
		self.assertEqual(len(self.messages()), 2)

	def test_keeps_everybody_else_out(self):
		for secret in ("", "wrong", SECRET.upper(), SECRET + "x"):
			status, answer = post_webhook(inbound(), secret=secret)
			self.assertEqual((status, answer["ok"]), (401, False))
		self.assertEqual(self.messages(), [])

	def test_refuses_a_changed_body_and_an_old_signature(self):
		body = json.dumps(inbound()).encode()
		status, _answer = post_webhook(None, body=body, **{"webhook-signature": "v1,AAAA"})
		self.assertEqual(status, 401)
		old = {"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": "v1,AAAA"}
		self.assertEqual(post_webhook(inbound(), signed=False, **old)[0], 401)

	def test_is_shut_without_a_secret(self):
		from frappe.utils.password import remove_encrypted_password

		remove_encrypted_password("WapBridge Settings", "WapBridge Settings", "webhook_secret")
		self.assertEqual(post_webhook(inbound(), secret="")[0], 401)
		self.assertEqual(post_webhook(inbound())[0], 401)

	def test_tells_the_gateway_to_come_back_while_the_app_is_off(self):
		webhook_registration.write({"enabled": 0})
		self.assertEqual(post_webhook(inbound())[0], 503)
		self.assertEqual(self.messages(), [])

	def test_takes_the_old_secret_for_an_hour_after_a_change(self):
		webhook_registration.rotate_secret()
		self.assertEqual(post_webhook(inbound())[0], 200)
		webhook_registration.write({"webhook_secret_rotated_on": add_to_date(now_datetime(), hours=-2)})
		self.assertEqual(post_webhook(inbound())[0], 401)

	def test_stops_looking_at_a_flood_of_refused_calls_and_still_serves_the_gateway(self):
		frappe.cache.delete_keys("wapbridge-refused")
		with patch("wap_bridge.api.webhook.REFUSALS_A_MINUTE", 5):
			found = [post_webhook({}, secret="wrong")[0] for _ in range(8)]
			self.assertEqual(found, [401] * 5 + [429] * 3)
			self.assertEqual(post_webhook(inbound())[0], 200)
		frappe.cache.delete_keys("wapbridge-refused")

	def test_takes_post_only(self):
		status, _answer = request(
			"GET", "/api/method/wap_bridge.api.webhook.receive", headers={"X-Wapbridge-Secret": SECRET}
		)
		self.assertEqual(status, 403)


class Failures(WapBridgeTestCase):
	"""What makes the gateway try again, and what does not."""

	def test_does_not_know_every_instance_and_asks_for_news(self):
		with patch("frappe.enqueue") as enqueue:
			status, _answer = post_webhook(inbound(instance_id="INST-01-9999999"))
		self.assertEqual(status, 404)
		self.assertEqual(enqueue.call_args.args[0], "wap_bridge.tasks.sync_instances")

	def test_refuses_bodies_that_will_never_do(self):
		for payload in ({}, inbound(message={"id": ""}), status_event("", "sent"), {**inbound(), "instance_id": 5}):
			with self.subTest(str(payload)[:60]):
				self.assertIn(post_webhook(payload)[0], (200, 417))
		self.assertEqual(self.messages(), [])
		self.assertEqual(post_webhook(None, body=b"[1, 2]")[0], 417)

	def test_a_crash_leaves_nothing_behind_and_the_next_try_succeeds(self):
		with patch.object(inbox, "_put_on_timeline", side_effect=RuntimeError("boom")):
			self.contact(number="+255757123456")
			status, answer = post_webhook(inbound())
		self.assertEqual((status, answer), (500, {"ok": False, "error": "The event could not be processed"}))
		self.assertEqual(self.messages(), [])
		event = frappe.get_last_doc("WapBridge Webhook Event")
		self.assertEqual((event.status, event.webhook_id, event.attempts), ("Failed", "msg_1", 1))
		self.assertIn("boom", frappe.get_doc("Error Log", event.error.removeprefix("Error Log ")).error)
		self.assertEqual(post_webhook(inbound())[0], 200)
		self.assertEqual(len(self.messages()), 1)

	def test_an_event_that_this_site_has_no_use_for_is_taken(self):
		self.assertEqual(
			post_webhook({"instance_id": INSTANCE, "event": "chat.typing"}), (200, {"ok": True, "ignored": True})
		)

	def test_takes_the_sample_of_a_test(self):
		self.assertEqual(post_webhook(inbound(instance_id=None))[0], 200)
		self.assertEqual(self.messages(), [])

	def test_the_registered_events_are_those_of_the_contract(self):
		path = frappe.get_app_path("wap_bridge", "..", "contract", "events.json")
		self.assertEqual(list(webhook_events.HANDLERS), frappe.get_file_json(path))


class Incoming(WapBridgeTestCase):
	def test_writes_a_message_once_however_often_it_comes(self):
		self.assertEqual(post_webhook(inbound())[1], {"ok": True})
		self.assertEqual(post_webhook(inbound()), (200, {"ok": True, "duplicate": True}))
		row = self.message()
		self.assertEqual(
			(row.direction, row.status, row.phone, row.profile_name), ("Incoming", "Received", "+255757123456", "Asha")
		)
		self.assertEqual(row.owner, "Administrator")

	def test_writes_the_same_group_message_once_for_each_instance(self):
		other = frappe.get_doc(
			{"doctype": "WapBridge Instance", "instance_id": "INST-01-0000143", "title": "Other"}
		).insert()
		post_webhook(inbound())
		post_webhook(inbound(instance_id=other.name))
		self.assertEqual(len(self.messages()), 2)

	def test_two_at_once_write_one(self):
		# Both have looked before either has written.
		with patch("frappe.db.exists", return_value=None):
			self.assertIsNotNone(inbox.receive(INSTANCE, wire.inbound(inbound())))
			frappe.db.commit()
			self.assertIsNone(inbox.receive(INSTANCE, wire.inbound(inbound())))
		frappe.db.commit()
		self.assertEqual(len(self.messages()), 1)

	def test_stands_on_the_timeline_of_the_party_and_the_contact(self):
		lead = frappe.get_doc({"doctype": "Note", "title": "WB party"}).insert()
		contact = self.contact(number="0757 123 456", links=[("Note", lead.name)])
		post_webhook(inbound(message={"body": "Sawa <script>alert(1)</script>\nsecond line"}))
		row = self.message()
		self.assertEqual((row.reference_doctype, row.reference_name), ("Note", lead.name))
		communication = frappe.get_doc("Communication", row.communication)
		self.assertEqual(communication.content, "<p>Sawa &lt;script&gt;alert(1)&lt;/script&gt;<br>second line</p>")
		self.assertEqual((communication.reference_doctype, communication.reference_name), ("Note", lead.name))
		self.assertEqual((communication.sent_or_received, communication.communication_medium), ("Received", "Chat"))
		self.assertIn(
			("Contact", contact.name), [(link.link_doctype, link.link_name) for link in communication.timeline_links]
		)
		lead.delete(force=True)

	def test_leaves_people_alone_who_are_in_no_contact(self):
		post_webhook(inbound())
		row = self.message()
		self.assertIsNone(row.communication)
		self.assertEqual(
			frappe.db.get_value("WapBridge Contact", row.contact, ["phone", "lid", "profile_name"]),
			("+255757123456", "120542636048510@lid", "Asha"),
		)

	def test_makes_a_contact_when_asked_to(self):
		webhook_registration.write({"auto_create": "Contact"})
		post_webhook(inbound(sender_name="WB Neema"))
		row = self.message()
		contact = frappe.get_doc("Contact", row.reference_name)
		self.assertEqual((contact.first_name, contact.mobile_no), ("WB Neema", "+255757123456"))
		post_webhook(inbound(sender_name="WB Neema", message={"id": "false_2@lid_X"}))
		self.assertEqual(frappe.db.count("Contact", {"first_name": "WB Neema"}), 1)

	def test_does_not_take_a_group_for_a_person(self):
		webhook_registration.write({"auto_create": "Contact"})
		self.contact(number="+255757123456")
		group = {"from": "120363041234567890@g.us", "author": "255757123456@c.us"}
		post_webhook(inbound(message=group, chat_id=group["from"], is_group=True))
		row = self.message()
		self.assertEqual((row.is_group, row.communication, row.reference_name), (1, None, None))

	def test_keeps_what_was_written_on_the_phone(self):
		message = {
			"id": "true_255757123456@c.us_3A",
			"from": "255757197676@c.us",
			"to": "255757123456@c.us",
			"fromMe": True,
		}
		post_webhook(inbound(event="message.sent", message=message, chat_id="255757123456@c.us", sender_phone=None))
		row = self.message()
		self.assertEqual((row.direction, row.status, row.phone), ("Outgoing", "Sent", "+255757123456"))

	def test_tells_who_is_concerned_and_may_see_it(self):
		contact = self.contact(number="+255757123456")
		seller = self.user("wb-seller@example.com", "WapBridge User", "Sales User", "Desk User")
		stranger = self.user("wb-stranger@example.com", "Desk User")
		for user in (seller, stranger):
			frappe.get_doc(
				{
					"doctype": "ToDo",
					"reference_type": "Contact",
					"reference_name": contact.name,
					"allocated_to": user,
					"description": "x",
				}
			).insert()
		frappe.db.delete("Notification Log")
		post_webhook(inbound(sender_name="<b>Asha</b>"))
		post_webhook(inbound(message={"id": "false_2@lid_X"}))
		logs = frappe.get_all("Notification Log", fields=["for_user", "subject", "document_name"])
		self.assertIn({"for_user": seller, "document_name": contact.name, "subject": logs[0].subject}, logs)
		self.assertEqual([log.for_user for log in logs if log.for_user == seller], [seller], "one for a conversation")
		self.assertNotIn("<b>", logs[0].subject)
		frappe.db.delete("ToDo", {"allocated_to": ("in", (seller, stranger))})


class Files(WapBridgeTestCase):
	def test_keeps_an_inline_file_as_private(self):
		self.contact(number="+255757123456")
		post_webhook(with_media(data=base64.b64encode(PNG).decode()))
		row = self.message()
		file = frappe.get_doc("File", {"file_url": row.media})
		self.assertEqual((row.media_status, file.is_private, file.attached_to_doctype), ("Stored", 1, "Communication"))
		self.assertEqual((file.attached_to_name, Path(file.get_full_path()).read_bytes()), (row.communication, PNG))

	def test_fetches_a_file_from_the_gateway_and_nowhere_else(self):
		self.stub.answers = {"*": lambda asked: (200, PNG, {"Content-Type": "image/png"})}
		post_webhook(with_media(url="https://public.example/media/1?sig=x"))
		row = self.message()
		if row.media_status == "Pending":
			inbox.fetch_media(row.name)
			frappe.db.commit()
		row = self.message()
		self.assertEqual(row.media_status, "Stored")
		self.assertEqual(self.stub.requests[-1].path, "/media/1?sig=x")

	def test_asks_a_gateway_that_is_away_for_one_file_and_then_for_the_next(self):
		with patch("frappe.enqueue"):
			for number in range(3):
				body = with_media(url=f"/media/{number}")
				body["message"]["id"] = f"false_1@lid_{number}"
				post_webhook(body)
		self.stub.answers = {"*": (503, b"")}
		for _minute in range(3):
			inbox.fetch_pending()
		self.assertEqual(sorted(asked.path for asked in self.stub.requests), ["/media/0", "/media/1", "/media/2"])
		self.stub.answers = {"*": lambda asked: (200, PNG, {"Content-Type": "image/png"})}
		inbox.fetch_pending()
		self.assertEqual({row.media_status for row in self.messages()}, {"Stored"})

	def test_keeps_one_file_when_two_fetch_it_at_once(self):
		with patch("frappe.enqueue"):
			post_webhook(with_media(url="/media/1"))
		name = self.message().name
		others = [lambda: inbox.fetch_media(name)]

		def slow(asked):
			if others:
				frappe_in_another_process(others.pop())
			return 200, PNG, {"Content-Type": "image/png"}

		self.stub.answers = {"*": slow}
		inbox.fetch_media(name)
		frappe.db.commit()
		self.assertEqual((self.message().media_status, len(self.stub.requests)), ("Stored", 2))
		self.assertEqual(frappe.db.count("File", {"attached_to_name": name}), 1)

	def test_waits_for_a_gateway_that_is_down_and_gives_up_after_a_day(self):
		self.stub.answers = {"*": (503, b"")}
		post_webhook(with_media(url="/media/1"))
		inbox.fetch_pending()
		frappe.db.commit()
		self.assertEqual(self.message().media_status, "Pending")
		frappe.db.set_value("WapBridge Message", self.message().name, "creation", add_to_date(now_datetime(), days=-2))
		inbox.fetch_pending()
		frappe.db.commit()
		self.assertEqual(self.message().media_status, "Failed")

	def test_keeps_the_message_when_its_file_cannot_be_kept(self):
		cases = {
			"Too Large": with_media(data=base64.b64encode(b"x" * 1_100_000).decode()),
			"Failed": with_media(data="not base64 !!"),
		}
		for state, body in cases.items():
			body["message"]["id"] = f"false_1@lid_{state}"
			self.assertEqual(post_webhook(body)[0], 200)
			self.assertEqual(self.message(message_id=f"false_1@lid_{state}").media_status, state)
		body = inbound(message={"id": "false_1@lid_N", "hasMedia": True, "media": None, "media_error": "expired"})
		post_webhook(body)
		self.assertEqual(self.message(message_id="false_1@lid_N").error, "expired")

	def test_gives_no_file_a_name_that_browsers_run(self):
		for given, kept in {
			"../../etc/passwd": "_.._etc_passwd",
			"invoice.html": "invoice.html.txt",
			"x.SVG": "x.SVG.txt",
			"a\nb.pdf": "a_b.pdf",
			"": "file",
			"é" * 300 + ".pdf": "é" * 116 + ".pdf",
		}.items():
			self.assertEqual(inbox._safe_name(given), kept)


class Statuses(WapBridgeTestCase):
	def setUp(self):
		super().setUp()
		self.id = "true_255757123456@c.us_3EB0AA"
		frappe.get_doc(
			{
				"doctype": "WapBridge Message",
				"direction": "Outgoing",
				"status": "Accepted",
				"instance": INSTANCE,
				"phone": "+255757123456",
				"message": "x",
				"message_id": self.id,
			}
		).insert()
		frappe.db.commit()

	def test_go_forward_in_whatever_order_they_come(self):
		for status, ack in (("read", 3), ("sent", 1), ("delivered", 2), ("accepted", 0)):
			self.assertEqual(post_webhook(status_event(self.id, status, ack), webhook_id=f"msg_{ack}")[0], 200)
		row = self.message()
		self.assertEqual(row.status, "Read")
		self.assertIsNotNone(row.read_on)

	def test_played_is_more_than_read(self):
		post_webhook(status_event(self.id, "read", 4))
		self.assertEqual(self.message().status, "Played")

	def test_a_failure_tells_why(self):
		post_webhook(status_event(self.id, "failed", -1, "not_on_whatsapp"))
		row = self.message()
		self.assertEqual(
			(row.status, row.error_code, row.error), ("Failed", "not_on_whatsapp", "The number is not on WhatsApp")
		)

	def test_of_unknown_messages_are_kept_for_a_day(self):
		from wap_bridge import tasks

		other = status_event("true_1@c.us_OTHER", "sent")
		self.assertEqual(post_webhook(other, webhook_id="msg_0")[0], 200)
		self.assertEqual(frappe.db.count("WapBridge Webhook Event"), 0, "nothing is on its way: it is not ours")
		frappe.get_doc(
			{"doctype": "WapBridge Message", "direction": "Outgoing", "status": "Sending", "message": "y"}
		).insert()
		for _twice in range(2):
			self.assertEqual(post_webhook(status_event("true_1@c.us_OTHER", "sent"))[0], 200)
		events = frappe.get_all("WapBridge Webhook Event", fields=["name", "status"])
		self.assertEqual([event.status for event in events], ["Waiting"])
		frappe.db.set_value("WapBridge Webhook Event", events[0].name, "creation", add_to_date(now_datetime(), days=-2))
		tasks.clean_up()
		self.assertEqual(frappe.db.get_value("WapBridge Webhook Event", events[0].name, "status"), "Ignored")

	def test_edits_deletions_and_reactions_are_written_to_the_message(self):
		frappe.db.set_value("WapBridge Message", {"message_id": self.id}, "dedupe_key", f"{INSTANCE}:{self.id}")
		change = {"instance_id": INSTANCE, "message": {"id": self.id, "body": "better"}}
		post_webhook({**change, "event": "message.edited"})
		post_webhook({**change, "event": "message.reaction", "reaction": "👍"})
		post_webhook({**change, "event": "message.revoked"})
		row = self.message()
		self.assertEqual((row.message, row.reaction), ("better", "👍"))
		self.assertIsNotNone(row.edited_on and row.revoked_on)


class OtherEvents(WapBridgeTestCase):
	def test_opt_outs_are_respected_until_they_are_taken_back(self):
		event = {
			"instance_id": INSTANCE,
			"event": "contact.opted_out",
			"sender_phone": "255757123456",
			"source": "STOP",
		}
		post_webhook(event)
		self.assertEqual(
			frappe.db.get_value("WapBridge Contact", {"phone": "+255757123456"}, ["opted_out", "opt_out_source"]),
			(1, "STOP"),
		)
		post_webhook({**event, "event": "contact.opted_in"})
		self.assertEqual(frappe.db.get_value("WapBridge Contact", {"phone": "+255757123456"}, "opted_out"), 0)

	def test_an_instance_that_needs_a_person_says_so_once(self):
		frappe.db.delete("Notification Log")
		event = {
			"instance_id": INSTANCE,
			"event": "instance.status",
			"status": "logged_out",
			"reason": "unlinked on the phone",
		}
		for number in range(2):
			post_webhook(event, webhook_id=f"msg_{number}")
		self.assertEqual(
			frappe.db.get_value("WapBridge Instance", INSTANCE, ["status", "reason"]),
			("Logged Out", "unlinked on the phone"),
		)
		self.assertEqual(frappe.db.count("Notification Log", {"for_user": "Administrator"}), 1)
