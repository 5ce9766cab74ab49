import threading
from unittest.mock import patch

import frappe
from frappe.utils import add_to_date, now_datetime

from wap_bridge import delivery, outbox, statuses
from wap_bridge.tests.base import (
	INSTANCE,
	PDF,
	WapBridgeTestCase,
	frappe_in_another_process,
	post_webhook,
	status_event,
)
from wap_bridge.tests.stub import refusal

SEND = "whatsapp.send_api_message"


def states_as_others_see_them(credentials):
	"""Returns the states that are committed, in a thread that has no site of its own."""
	import pymysql

	with pymysql.connect(**credentials, database=credentials["user"]) as other, other.cursor() as cursor:
		cursor.execute("select status from `tabWapBridge Message` order by creation, name")
		return [row[0] for row in cursor.fetchall()]


class Outbox(WapBridgeTestCase):
	def put(self, **fields):
		name = outbox.put(message=fields.pop("message", "Hello"), **{"phone": "+255757123456", **fields})
		frappe.db.commit()
		return name

	def due(self, name):
		frappe.db.set_value("WapBridge Message", name, "next_attempt_at", add_to_date(now_datetime(), seconds=-1))
		frappe.db.commit()

	def test_sends_and_writes_down_the_gateways_id(self):
		name = self.put()
		delivery.deliver([name])
		sent = self.stub.calls(SEND)[0]
		self.assertEqual(
			sent.json,
			{
				"instance_id": INSTANCE,
				"to_number": "+255757123456",
				"message": "Hello",
				"priority": "normal",
				"wait": 0,
			},
		)
		self.assertEqual(sent.headers["Idempotency-Key"], name)
		row = self.message()
		self.assertEqual((row.status, row.message_id), ("Accepted", "true_255757123456@c.us_3EB0000000000000000001"))
		self.assertEqual(row.dedupe_key, f"{INSTANCE}:{row.message_id}")

	def test_leaves_after_the_commit_and_not_after_a_rollback(self):
		with patch("frappe.enqueue") as enqueue:
			outbox.put(message="one", phone="+255757123456")
			outbox.put(message="two", phone="+255757123456")
			enqueue.assert_not_called()
			frappe.db.rollback()
			enqueue.assert_not_called()
			self.assertEqual(self.messages(), [])
			first = outbox.put(message="one", phone="+255757123456")
			second = outbox.put(message="two", phone="+255757123456")
			frappe.db.commit()
			enqueue.assert_called_once()
			self.assertEqual(enqueue.call_args.kwargs["names"], [first, second])
			frappe.db.commit()
			enqueue.assert_called_once()

	def test_a_site_without_a_queue_still_saves_and_sends_later(self):
		with patch("frappe.enqueue", side_effect=ConnectionError("no redis")):
			name = outbox.put(message="Hello", phone="+255757123456")
			frappe.db.commit()
		self.assertEqual(delivery.flush(), 1)
		self.assertEqual(self.message(name=name).status, "Accepted")

	def test_tries_again_later_when_the_gateway_is_down_and_sends_once(self):
		name = self.put()
		self.stub.answers = {SEND: (503, b"<html>")}
		with patch("wap_bridge.transport.time.sleep"), patch("wap_bridge.transport.RETRY_DELAYS", ()):
			delivery.deliver([name])
		row = self.message()
		self.assertEqual((row.status, row.attempts, row.error_code), ("Queued", 1, "unavailable"))
		self.assertEqual(row.error, "The gateway is not available at the moment")
		self.assertGreater(row.next_attempt_at, now_datetime())
		delivery.flush()
		self.assertEqual(len(self.stub.calls(SEND)), 1, "not before its time")
		self.stub.answers = {}
		self.due(name)
		delivery.flush()
		row = self.message()
		self.assertEqual((row.status, row.error), ("Accepted", None))
		self.assertEqual({call.headers["Idempotency-Key"] for call in self.stub.calls(SEND)}, {name})
		self.assertEqual(len(self.stub.sent), 1)

	def test_gives_up_after_the_configured_attempts(self):
		name = self.put()
		self.stub.answers = {SEND: refusal(500, "internal_error", "Internal error")}
		for _attempt in range(3):
			self.due(name)
			delivery.flush()
		row = self.message()
		self.assertEqual((row.status, row.attempts, row.error), ("Failed", 3, "Internal error"))
		self.assertIsNone(row.next_attempt_at)

	def test_waits_for_good_credentials_and_fails_at_once_for_what_will_never_do(self):
		waiting, refused = self.put(), self.put(phone="+255757999888")

		def answer(request):
			if request.json["to_number"].endswith("888"):
				return refusal(417, "not_on_whatsapp", "255757999888 is not on WhatsApp")
			return refusal(401, "unauthenticated", "The credentials are not valid")

		self.stub.answers = {SEND: answer}
		delivery.deliver([waiting])
		delivery.deliver([refused])
		self.assertEqual(self.message(name=waiting).status, "Queued")
		row = self.message(name=refused)
		self.assertEqual((row.status, row.error_code), ("Failed", "not_on_whatsapp"))

	def test_two_workers_never_send_the_same_row(self):
		name = self.put()
		self.assertEqual(delivery.claim(name).name, name)
		self.assertIsNone(delivery.claim(name))
		delivery.deliver([name])
		self.assertEqual(self.stub.calls(SEND), [])

	def test_many_workers_at_once_send_each_row_once(self):
		names = [self.put(message=str(number)) for number in range(20)]
		site = frappe.local.site

		def work():
			frappe.init(site=site)
			frappe.connect()
			try:
				frappe.set_user("Administrator")
				delivery.deliver(names)
			finally:
				frappe.destroy()

		threads = [threading.Thread(target=work) for _ in range(4)]
		for thread in threads:
			thread.start()
		for thread in threads:
			thread.join()
		self.assertEqual(sorted(call.json["message"] for call in self.stub.calls(SEND)), sorted(map(str, range(20))))
		self.assertEqual({row.status for row in self.messages()}, {"Accepted"})

	def test_takes_over_the_row_of_a_worker_that_died_with_the_same_key(self):
		name = self.put()
		delivery.claim(name)
		delivery.flush()
		self.assertEqual(self.stub.calls(SEND), [], "it has its time")
		self.due(name)
		delivery.flush()
		self.assertEqual(self.message().status, "Accepted")
		self.assertEqual(self.stub.calls(SEND)[0].headers["Idempotency-Key"], name)

	def test_a_worker_that_was_given_up_changes_nothing_any_more(self):
		name = self.put()
		stale = delivery.claim(name)
		self.due(name)
		delivery.flush()
		delivery._finish(stale, {"status": "Failed", "error": "late"})
		self.assertEqual(self.message().status, "Accepted")

	def test_a_worker_holds_one_row_at_a_time(self):
		names = [self.put(message=str(number)) for number in range(3)]
		held = []
		credentials = {"user": frappe.conf.db_name, "password": frappe.conf.db_password, "host": frappe.conf.db_host}

		def look(request):
			held.append(states_as_others_see_them(credentials))
			return self.stub.usual(request)

		self.stub.answers = {SEND: look}
		delivery.deliver(names)
		self.assertEqual([states.count("Sending") for states in held], [1, 1, 1])

	def test_asks_a_gateway_that_is_away_once_and_leaves_the_others_untried(self):
		names = [self.put(message=str(number)) for number in range(3)]
		self.stub.answers = {SEND: (503, b"")}
		with patch("wap_bridge.transport.RETRY_DELAYS", ()):
			delivery.deliver(names)
			self.assertEqual(len(self.stub.calls(SEND)), 1)
			self.assertEqual(
				[(row.status, row.attempts) for row in self.messages()], [("Queued", 1)] + [("Queued", 0)] * 2
			)
			delivery.flush()
			self.assertEqual(len(self.stub.calls(SEND)), 2, "the next minute asks again")

	def test_flushes_all_that_is_due(self):
		names = [self.put(message=str(number)) for number in range(5)]
		with patch.object(delivery, "BATCH", 2):
			self.assertEqual(delivery.flush(), 5)
		self.assertEqual({row.status for row in self.messages()}, {"Accepted"})
		self.assertEqual(len(self.stub.calls(SEND)), len(names))

	def test_a_job_that_ran_out_of_time_while_printing_costs_no_message(self):
		from rq.timeouts import JobTimeoutException

		slow, other = self.put(message="slow"), self.put(message="other")
		with patch("wap_bridge.attachments.content_of", side_effect=JobTimeoutException("300 seconds")):
			with self.assertRaises(JobTimeoutException):
				delivery.deliver([slow, other])
		self.assertEqual([(row.status, row.attempts) for row in self.messages()], [("Queued", 1), ("Queued", 0)])
		self.due(slow)
		delivery.flush()
		self.assertEqual({row.status for row in self.messages()}, {"Accepted"})

	def test_does_not_send_again_what_may_have_arrived_when_the_key_is_forgotten(self):
		yesterday = add_to_date(now_datetime(), hours=-24)
		for code in ("timeout", "outcome_unknown"):
			name = self.put()
			frappe.db.set_value("WapBridge Message", name, {"first_attempt_at": yesterday, "error_code": code})
			self.due(name)
		delivery.flush()
		self.assertEqual(self.stub.calls(SEND), [])
		self.assertEqual([row.status for row in self.messages()], ["Uncertain", "Uncertain"])

	def test_sends_later_what_certainly_did_not_arrive(self):
		name = self.put()
		yesterday = add_to_date(now_datetime(), hours=-24)
		frappe.db.set_value("WapBridge Message", name, {"first_attempt_at": yesterday, "error_code": "unauthenticated"})
		self.due(name)
		delivery.flush()
		self.assertEqual(self.message().status, "Accepted")

	def test_renders_the_pdf_in_the_worker_and_sends_the_same_bytes_each_time(self):
		note = frappe.get_doc({"doctype": "ToDo", "description": "PDF"}).insert()
		name = self.put(attach_pdf=1, reference_doctype="ToDo", reference_name=note.name, message="Your invoice")
		self.stub.answers = {SEND: (503, b"")}
		with patch("frappe.get_print", side_effect=[PDF, b"another time, other bytes"]) as printed:
			with patch("wap_bridge.transport.RETRY_DELAYS", ()):
				delivery.deliver([name])
			self.stub.answers = {}
			self.due(name)
			delivery.flush()
		self.assertEqual(printed.call_count, 1)
		self.assertTrue(printed.call_args.kwargs["as_pdf"])
		first, second = self.stub.calls(SEND)
		self.assertEqual(first.body, second.body)
		self.assertEqual(first.json["filename"], f"{note.name}.pdf")
		self.assertEqual((first.json["caption"], first.json["mime_type"]), ("Your invoice", "application/pdf"))
		file = frappe.get_doc("File", {"file_url": self.message().media})
		self.assertEqual((file.is_private, file.get_content()), (1, PDF.decode()))
		self.assertFalse(frappe.local.flags.ignore_print_permissions)

	def test_says_why_a_message_could_not_be_made(self):
		note = frappe.get_doc({"doctype": "ToDo", "description": "gone soon"}).insert()
		name = self.put(attach_pdf=1, reference_doctype="ToDo", reference_name=note.name, message="")
		frappe.db.delete("ToDo", {"name": note.name})
		delivery.deliver([name])
		row = self.message()
		self.assertEqual((row.status, row.error_code), ("Failed", "content"))
		self.assertIn(note.name, row.error)

	def test_prints_again_later_when_the_site_could_not_serve_its_style_sheets(self):
		note = frappe.get_doc({"doctype": "ToDo", "description": "PDF"}).insert()
		name = self.put(attach_pdf=1, reference_doctype="ToDo", reference_name=note.name)
		with patch("frappe.get_print", side_effect=OSError("wkhtmltopdf: ConnectionRefusedError")):
			delivery.deliver([name])
		self.assertEqual((self.message().status, self.message().error_code), ("Queued", "content"))
		self.due(name)
		with patch("frappe.get_print", return_value=PDF):
			delivery.flush()
		self.assertEqual(self.message().status, "Accepted")

	def test_logs_no_secret_when_the_gateway_cannot_be_asked(self):
		frappe.db.delete("Error Log")
		name = self.put()
		self.stub.close()
		with patch("wap_bridge.transport.RETRY_DELAYS", ()):
			delivery.deliver([name])
		self.assertEqual(self.message().error_code, "unreachable")
		for log in frappe.get_all("Error Log", fields=["error"]):
			self.assertNotIn("test-secret-0123456789", log.error)

	def test_retries_for_a_person_with_another_key(self):
		name = self.put()
		delivery.deliver([name])
		statuses.apply(self.message().message_id, "Failed", "not_on_whatsapp")
		frappe.db.commit()
		row = self.message()
		self.assertEqual((row.status, row.error), ("Failed", "The number is not on WhatsApp"))
		self.assertEqual(outbox.retry(frappe.get_doc("WapBridge Message", name)), "Queued")
		frappe.db.commit()
		delivery.deliver([name])
		self.assertEqual([call.headers["Idempotency-Key"] for call in self.stub.calls(SEND)], [name, f"{name}:1"])
		self.assertEqual(self.message().status, "Accepted")
		with self.assertRaises(frappe.ValidationError):
			outbox.retry(frappe.get_doc("WapBridge Message", name))

	def test_cancels_here_what_has_not_left_and_there_what_waits(self):
		here, there = self.put(), self.put()
		outbox.cancel(frappe.get_doc("WapBridge Message", here))
		frappe.db.commit()
		delivery.deliver([here, there])
		self.assertEqual(len(self.stub.calls(SEND)), 1)
		self.stub.answers = {"whatsapp.cancel_message": {"ok": True, "status": "cancelled", "reason": None}}
		self.assertEqual(outbox.cancel(frappe.get_doc("WapBridge Message", there)), "Cancelled")
		frappe.db.commit()
		with self.assertRaises(frappe.ValidationError):
			outbox.cancel(frappe.get_doc("WapBridge Message", there))

	def test_asks_for_the_state_of_messages_of_which_nothing_is_heard(self):
		name = self.put()
		delivery.deliver([name])
		self.stub.answers = {"whatsapp.message_status": {"ok": True, "status": "delivered", "reason": None}}
		statuses.reconcile()
		self.assertEqual(self.stub.calls("whatsapp.message_status"), [], "webhooks have their time first")
		self.due(name)
		statuses.reconcile()
		self.assertEqual(self.message().status, "Delivered")
		self.assertGreater(self.message().next_attempt_at, now_datetime())
		frappe.db.set_value("WapBridge Message", name, "creation", add_to_date(now_datetime(), days=-4))
		self.due(name)
		statuses.reconcile()
		self.assertIsNone(self.message().next_attempt_at, "nobody waits for ever")

	def test_takes_a_status_that_comes_before_the_id_is_known(self):
		name = self.put()
		message_id = "true_255757123456@c.us_3EB0000000000000000001"

		def faster(request):
			# The gateway's webhook comes before its answer does.
			answers.append(frappe_in_another_process(lambda: post_webhook(status_event(message_id, "delivered", 2))))
			return self.stub.usual(request)

		answers = []

		self.stub.answers = {SEND: faster}
		delivery.deliver([name])
		self.assertEqual(answers, [(200, {"ok": True})])
		self.assertEqual(self.message().status, "Delivered")
		self.assertEqual(
			frappe.db.get_value("WapBridge Webhook Event", {"message_id": message_id}, "status"), "Processed"
		)

	def test_takes_a_status_that_crosses_the_answer_of_its_message(self):
		name = self.put()
		delivery.deliver([name])
		self.put(message="on its way")
		frappe.db.set_value("WapBridge Message", {"message": "on its way"}, "status", "Sending")
		frappe.db.commit()
		apply, before = statuses.apply, [False]

		def first_before_the_id_is_written(*arguments):
			return before.pop() if before else apply(*arguments)

		with patch.object(statuses, "apply", side_effect=first_before_the_id_is_written):
			status, _answer = post_webhook(status_event(self.message(name=name).message_id, "delivered", 2))
		self.assertEqual((status, self.message(name=name).status), (200, "Delivered"))

	def test_writes_to_groups_and_refuses_what_is_nobody(self):
		group = outbox.address_of("120363041234567890@g.us")
		name = self.put(phone=None, **group)
		delivery.deliver([name])
		self.assertEqual(self.stub.calls(SEND)[0].json["to_number"], "120363041234567890@g.us")
		self.put(problem="x is not a phone number")
		self.assertEqual(self.message(status="Failed").error_code, "invalid_number")
		self.put(message="")
		self.assertEqual(self.message(error_code="empty").status, "Failed")
