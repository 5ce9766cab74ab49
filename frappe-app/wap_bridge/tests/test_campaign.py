import time
from unittest.mock import patch

import frappe
from frappe.utils import add_to_date, now_datetime
from frappe.utils.synchronization import filelock

from wap_bridge import campaign_hand_over, campaign_prepare, campaign_recipients, campaign_sync, tasks
from wap_bridge.api import campaigns as api
from wap_bridge.tests.base import INSTANCE, WapBridgeTestCase, frappe_in_another_process, post_webhook, request, run_now
from wap_bridge.tests.stub import refusal

CREATE = "campaigns.create_and_start_campaign"
ADD = "campaigns.add_campaign_recipients"
RESUME = "campaigns.resume_campaign"
STATUS = "campaigns.campaign_status"
RECIPIENTS = "campaigns.campaign_recipients"


class GatewayCampaign:
	"""What the gateway knows of one campaign."""

	def __init__(self, stub):
		self.rows = {}
		self.state = "draft"
		self.seen = set()
		stub.answers |= {
			CREATE: self.take,
			ADD: self.take,
			RESUME: lambda request: self.become("running"),
			"campaigns.pause_campaign": lambda request: self.become("paused"),
			"campaigns.cancel_campaign": lambda request: self.become("cancelled"),
			"campaigns.retry_failed": lambda request: self.become("running"),
			STATUS: lambda request: self.status(),
			RECIPIENTS: self.page,
		}

	def take(self, request):
		self.seen.add(request.headers["Idempotency-Key"])
		for row in request.json["recipients"]:
			self.rows.setdefault(
				row["phone_number"].lstrip("+"), {"status": "queued", "reason": None, "message_id": None}
			)
		return {"ok": True, "campaign": "WAP-CAM-0007", "status": self.state, "total": len(self.rows), "invalid": []}

	def become(self, state):
		self.state = state
		return self.status()

	def status(self):
		states = [row["status"] for row in self.rows.values()]
		counters = {name: states.count(name) for name in ("queued", "sending", "failed", "uncertain", "cancelled")}
		read, delivered = states.count("read"), states.count("delivered")
		return {
			"ok": True,
			"campaign": "WAP-CAM-0007",
			"status": self.state,
			"hold": "quiet_hours" if self.state == "running" else None,
			"pause_reason": "user" if self.state == "paused" else None,
			"total": len(self.rows),
			**counters,
			"sent": states.count("sent") + delivered + read,
			"delivered": delivered + read,
			"read": read,
			"skipped": states.count("opted_out"),
			"next_send_at": "2026-11-22T06:00:00.000Z",
			"eta_at": None,
			"started_at": "2026-11-21T06:00:00.000Z",
			"finished_at": None,
		}

	def page(self, request):
		after, limit = int(request.json.get("after") or 0), request.json["limit"]
		rows = list(self.rows.items())[after : after + limit]
		more = after + limit < len(self.rows)
		return {
			"ok": True,
			"recipients": [
				{"phone_number": number, **row, "changed_at": "2026-11-21T06:00:00.000Z"} for number, row in rows
			],
			"next": str(after + limit) if more else None,
		}


class CampaignCase(WapBridgeTestCase):
	def setUp(self):
		super().setUp()
		self.gateway = GatewayCampaign(self.stub)

	def campaign(self, **fields):
		doc = frappe.get_doc(
			{
				"doctype": "WapBridge Campaign",
				"title": "Promo",
				"instance": INSTANCE,
				"message": "Hello {{ name }}",
				"source_type": "Manual",
				"manual_numbers": "0757111111, Asha\n0757222222, Juma",
				**fields,
			}
		).insert()
		frappe.db.commit()
		return doc

	def started(self, doc=None, **fields):
		doc = doc or self.campaign(**fields)
		api.start_campaign(doc.name)
		frappe.db.commit()
		if frappe.db.get_value("WapBridge Campaign", doc.name, "status") == "Preparing":
			campaign_prepare.prepare(doc.name)
		frappe.db.rollback()
		doc.reload()
		return doc

	def recipients(self, campaign, **filters):
		frappe.db.rollback()
		return frappe.get_all(
			"WapBridge Campaign Recipient",
			filters={"campaign": campaign.name, **filters},
			fields=["*"],
			order_by="phone",
			limit_page_length=0,
		)


class Sources(CampaignCase):
	def found(self, **fields):
		answer = campaign_recipients.preview(self.campaign(**fields))
		return sorted((row["phone"], row["recipient_name"]) for row in answer["sample"]), answer

	def test_manual_numbers_with_names(self):
		rows, answer = self.found(manual_numbers="0757111111, Asha\n+255757222222\tJuma\n\nnobody\n0757 111 111; again")
		self.assertEqual(rows, [("+255757111111", "Asha"), ("+255757222222", "Juma")])
		self.assertEqual((answer["total"], answer["unresolved"]), (2, 1))
		self.assertEqual(answer["unresolved_list"], ["nobody: nobody is not a phone number"])

	def test_a_list_as_its_user_sees_it(self):
		self.contact("WB One", "0757111111")
		self.contact("WB Two", "0757222222")
		self.contact("WB None", "")
		rows, answer = self.found(
			source_type="List",
			source_doctype="Contact",
			source_filters='{"first_name": ["like", "WB %"]}',
			message="Hi {{ doc.first_name }} {{ recipient.docname }}",
		)
		self.assertEqual([phone for phone, _name in rows], ["+255757111111", "+255757222222"])
		self.assertEqual(answer["sample"][0]["message"], "Hi WB One WB One")
		self.assertEqual(answer["unresolved"], 1)

	def test_contacts_and_documents_that_only_contacts_know(self):
		party = frappe.get_doc({"doctype": "Note", "title": "WB party"}).insert()
		self.contact("WB One", "0757111111", links=[("Note", party.name)])
		rows, _answer = self.found(source_type="Contacts", source_filters='[["first_name", "like", "WB %"]]')
		self.assertEqual([phone for phone, _name in rows], ["+255757111111"])
		rows, _answer = self.found(source_type="List", source_doctype="Note", source_filters='{"title": "WB party"}')
		self.assertEqual(rows, [("+255757111111", "WB party")])
		party.delete(force=True)

	def test_an_e_mail_group(self):
		contact = self.contact("WB One", "0757111111")
		contact.append("email_ids", {"email_id": "wb-one@example.com", "is_primary": 1})
		contact.save()
		if not frappe.db.exists("Email Group", "WB group"):
			frappe.get_doc({"doctype": "Email Group", "title": "WB group"}).insert()
		for email in ("wb-one@example.com", "wb-two@example.com"):
			if not frappe.db.exists("Email Group Member", {"email_group": "WB group", "email": email}):
				frappe.get_doc({"doctype": "Email Group Member", "email_group": "WB group", "email": email}).insert()
		rows, answer = self.found(source_type="Email Group", group_name="WB group")
		self.assertEqual(rows, [("+255757111111", "WB One")])
		self.assertEqual(answer["unresolved"], 1)

	def test_a_report(self):
		self.contact("WB One", "0757111111")
		if not frappe.db.exists("Report", "WB report"):
			frappe.get_doc(
				{
					"doctype": "Report",
					"report_name": "WB report",
					"ref_doctype": "Contact",
					"report_type": "Query Report",
					"is_standard": "No",
					"query": "select first_name as 'Customer:Data:100', mobile_no as 'Handy:Data:100' from `tabContact` where first_name like 'WB %%'",
				}
			).insert()
		rows, _answer = self.found(source_type="Report", report="WB report", phone_field="Handy", name_field="Customer")
		self.assertEqual(rows, [("+255757111111", "WB One")])

	def test_csv_files_as_spreadsheets_write_them(self):
		files = {
			"comma": b"Name,Mobile,City\nAsha,0757 111 111,Mwanza\n\nJuma,0757222222,Dodoma\n",
			"semicolon": "\ufeffMobile;Name;City\n0757111111;Asha;Mwanza\n0757222222;Juma;Dodoma\n".encode(),
			"tab in UTF-16": "Name\tMobile\tCity\nAsha\t0757111111\tMwanza\nJuma\t0757222222\tDodoma\n".encode(
				"utf-16"
			),
			"Windows": "Name,Mobile,City\nAsha,0757111111,Zürich\nJuma,0757222222,Dodoma\n".encode("cp1252"),
			"no header": b"0757111111,Asha\n0757222222,Juma\n",
		}
		for kind, content in files.items():
			with self.subTest(kind):
				file = frappe.get_doc(
					{
						"doctype": "File",
						"file_name": f"wb-{frappe.generate_hash(length=6)}.csv",
						"content": content,
						"is_private": 1,
					}
				).insert()
				message = "Hi {{ name }}" if kind == "no header" else "Hi {{ name }} of {{ city }}"
				rows, answer = self.found(source_type="CSV", csv_file=file.file_url, message=message)
				self.assertEqual(rows, [("+255757111111", "Asha"), ("+255757222222", "Juma")])
				if kind == "Windows":
					self.assertEqual(answer["sample"][0]["message"], "Hi Asha of Zürich")

	def test_nobody_gets_a_field_that_there_is_not(self):
		_rows, answer = self.found(message="Hi {{ surname }}")
		self.assertEqual((answer["total"], answer["unresolved"]), (0, 2))
		self.assertIn("{{ surname }} is not known", answer["unresolved_list"][0])

	def test_drafts_from_lists_and_reports(self):
		draft = api.campaign_from_list("Contact", names='["WB One"]')["campaign"]
		doc = frappe.get_doc("WapBridge Campaign", draft)
		self.assertEqual((doc.status, doc.source_type, doc.source_doctype), ("Draft", "List", "Contact"))
		self.assertEqual(api.phone_fields("Contact")["fields"][0]["fieldname"], "mobile_no")


class Course(CampaignCase):
	def test_is_handed_over_and_started_by_the_gateway(self):
		doc = self.started(
			schedule_at="2030-01-01 09:00:00",
			min_seconds=5,
			window_from="09:00",
			window_to="17:00",
			window_days="Mon, tue",
		)
		self.assertEqual(
			(doc.status, doc.gateway_campaign, doc.total, doc.hold), ("Running", "WAP-CAM-0007", 2, "quiet_hours")
		)
		created = self.stub.calls(CREATE)[0].json
		self.assertEqual(created["recipients"][0].keys(), {"phone_number", "text"})
		self.assertEqual(sorted(row["text"] for row in created["recipients"]), ["Hello Asha", "Hello Juma"])
		self.assertEqual((created["message"], created["start"], created["campaign_name"]), ("{{text}}", False, "Promo"))
		self.assertRegex(created["schedule_at"], r"^2030-01-01T09:00:00[+-]\d\d:\d\d$")
		self.assertEqual(
			(created["window"]["days"], created["window"]["from"], created["window"]["to"]),
			(["mon", "tue"], "09:00", "17:00"),
		)
		self.assertEqual(created["pacing"], {"min_seconds": 5.0})
		self.assertEqual({row.status for row in self.recipients(doc)}, {"Queued"})

	def test_leaves_choices_to_the_gateway_where_all_get_the_same(self):
		self.started(message="{Hi|Habari}, we are open")
		created = self.stub.calls(CREATE)[0].json
		self.assertEqual(created["message"], "{Hi|Habari}, we are open")
		self.assertEqual(created["recipients"][0].keys(), {"phone_number"})

	def test_never_hands_over_who_opted_out_or_anybody_twice(self):
		frappe.get_doc({"doctype": "WapBridge Contact", "phone": "+255757222222", "opted_out": 1}).insert()
		doc = self.started(manual_numbers="0757111111\n+255 757 111 111\n0757222222", message="Hello")
		self.assertEqual(
			[row["phone_number"] for row in self.stub.calls(CREATE)[0].json["recipients"]], ["+255757111111"]
		)
		self.assertEqual([row.status for row in self.recipients(doc)], ["Queued", "Opted Out"])
		self.assertEqual((doc.total, doc.duplicates), (2, 1))

	def test_says_what_the_gateway_says_and_can_be_started_again(self):
		self.stub.answers[CREATE] = refusal(404, "instance_not_found", "Instance INST-01-0000142 does not exist")
		doc = self.started()
		self.assertEqual((doc.status, doc.error), ("Failed", "Instance INST-01-0000142 does not exist"))
		self.gateway = GatewayCampaign(self.stub)
		api.start_campaign(doc.name)
		campaign_prepare.prepare(doc.name)
		doc.reload()
		self.assertEqual((doc.status, doc.error, len(self.gateway.rows)), ("Running", None, 2))

	def test_a_lost_answer_is_asked_for_with_the_same_key(self):
		take, answers = self.gateway.take, iter([None, None, None])

		def lose(request):
			take(request)
			return next(answers, take(request))

		self.stub.answers[CREATE] = lose
		with patch_sleep():
			doc = self.started()
			self.assertEqual(doc.status, "Failed")
			api.start_campaign(doc.name)
			campaign_prepare.prepare(doc.name)
		doc.reload()
		self.assertEqual(doc.status, "Running")
		self.assertEqual(len(self.gateway.seen), 1)

	def test_one_at_a_time_prepares_a_campaign(self):
		doc = self.started(manual_numbers="0757111111", message="Hello")
		with filelock(f"wapbridge_campaign_{doc.name}", timeout=1), patch.object(api, "WAIT_SECONDS", 0):
			with patch.object(campaign_prepare, "enqueue") as enqueue:
				api.add_campaign_recipients(doc.name, ["0757333333"])
			enqueue.assert_called_once_with(doc.name, resolve=False)
		self.assertEqual(self.stub.calls(ADD), [])
		campaign_prepare.prepare(doc.name, resolve=False)
		self.assertEqual((len(self.stub.calls(CREATE)), len(self.stub.calls(ADD)), len(self.gateway.rows)), (1, 1, 2))

	def test_who_cancels_while_the_gateway_takes_it_has_cancelled_it(self):
		take = self.gateway.take

		def cancelled_meanwhile(request):
			answer = take(request)
			frappe_in_another_process(lambda: api.cancel_campaign(self.doc.name))
			return answer

		self.stub.answers[CREATE] = cancelled_meanwhile
		self.doc = self.campaign()
		doc = self.started(self.doc)
		self.assertEqual((doc.status, doc.error, self.gateway.state), ("Cancelled", None, "cancelled"))
		self.assertEqual(self.stub.calls(RESUME), [])

	def test_who_cancels_between_two_portions_has_cancelled_it(self):
		self.doc = self.campaign()

		def refuse(request):
			frappe_in_another_process(lambda: api.cancel_campaign(self.doc.name))
			return refusal(409, "conflict", "Campaign WAP-CAM-0007 is cancelled")

		self.stub.answers[ADD] = refuse
		with patch.object(campaign_hand_over, "PORTION", 1):
			doc = self.started(self.doc)
		self.assertEqual((doc.status, doc.error, self.gateway.state), ("Cancelled", None, "cancelled"))

	def test_a_paused_campaign_stays_paused_when_somebody_is_added(self):
		doc = self.started(message="Hello")
		api.pause_campaign(doc.name)
		frappe.db.commit()
		self.assertEqual(api.add_campaign_recipients(doc.name, ["0757333333"])["status"], "paused")
		self.assertEqual((self.gateway.state, len(self.gateway.rows)), ("paused", 3))
		self.assertEqual(self.recipients(doc)[-1].status, "Queued")

	def test_who_adds_is_told_when_the_gateway_is_away_and_they_are_taken_later(self):
		doc = self.started(message="Hello")
		self.stub.answers[ADD] = (503, b"")
		with patch_sleep(), self.assertRaisesRegex(frappe.ValidationError, "not available"):
			api.add_campaign_recipients(doc.name, ["0757333333"])
		frappe.db.rollback()
		doc.reload()
		self.assertEqual((doc.status, self.recipients(doc)[-1].status), ("Running", "Pending"))
		self.stub.answers[ADD] = self.gateway.take
		self.an_hour_passes()
		with patch("frappe.enqueue", side_effect=run_now):
			tasks.sync_campaigns()
		self.assertEqual((self.recipients(doc)[-1].status, len(self.gateway.rows)), ("Queued", 3))

	def test_goes_on_where_a_worker_died(self):
		doc = self.campaign()
		with patch("frappe.enqueue"):
			api.start_campaign(doc.name)
			frappe.db.commit()
		with patch.object(campaign_hand_over, "_mark", side_effect=SystemExit), self.assertRaises(SystemExit):
			campaign_prepare.prepare(doc.name)
		frappe.db.rollback()
		with patch("frappe.enqueue", side_effect=run_now):
			tasks.sync_campaigns()
			self.assertEqual(self.status_of(doc), "Preparing", "its worker has its time")
			self.an_hour_passes()
			tasks.sync_campaigns()
		self.assertEqual((self.status_of(doc), len(self.gateway.rows)), ("Running", 2))
		self.assertEqual(len({call.headers["Idempotency-Key"] for call in self.stub.calls(CREATE)}), 1)

	def test_goes_on_as_the_user_who_started_it(self):
		doc = self.campaign()
		manager = self.user("wb-manager@example.com", "WapBridge Manager")
		users = []
		with patch("frappe.enqueue", side_effect=lambda *_args, **_options: users.append(frappe.session.user)):
			frappe.set_user(manager)
			api.start_campaign(doc.name)
			frappe.set_user("Administrator")
			frappe.db.commit()
			self.an_hour_passes()
			campaign_prepare.take_up()
		# Whom a list holds is what its user may read.
		self.assertEqual((users, frappe.session.user), ([manager, manager], "Administrator"))

	def status_of(self, doc):
		return frappe.db.get_value("WapBridge Campaign", doc.name, "status")

	def an_hour_passes(self):
		"""Makes everything an hour older."""
		before = add_to_date(now_datetime(), hours=-1)
		frappe.db.set_value("WapBridge Campaign", {"title": "Promo"}, "modified", before, update_modified=False)
		frappe.db.set_value("WapBridge Campaign Recipient", {"status": "Pending"}, "creation", before)
		frappe.db.commit()

	def test_a_look_at_the_gateway_meanwhile_does_not_make_it_a_draft_again(self):
		doc = self.campaign()
		seen = []

		def look(request):
			frappe_in_another_process(lambda: campaign_sync.sync(doc.name))
			seen.append(frappe_in_another_process(lambda: self.status_of(doc)))
			return self.gateway.take(request)

		self.stub.answers[ADD] = look
		with patch.object(campaign_hand_over, "PORTION", 1):
			self.started(doc)
		self.assertEqual(seen, ["Preparing"])

	def test_names_and_reasons_are_harmless_where_they_are_shown_as_html(self):
		doc = self.started(manual_numbers="0757111111, <img src=x onerror=alert(1)>\n<b>x</b>, y", message="Hello")
		self.assertNotIn("<", self.recipients(doc)[0].recipient_name)
		self.assertNotIn("<", doc.unresolved_list)
		self.gateway.rows["255757111111"] = {"status": "failed", "reason": "<script>", "message_id": None}
		campaign_sync.sync(doc.name)
		self.assertEqual(self.recipients(doc)[0].reason, "‹script›")

	def test_nobody_at_all_is_said_so(self):
		doc = self.started(manual_numbers="nobody")
		self.assertEqual((doc.status, doc.error), ("Failed", "Nobody with a phone number was found"))

	def test_pause_resume_cancel_and_retry_follow_the_gateway(self):
		doc = self.started()
		self.assertEqual(api.pause_campaign(doc.name)["status"], "paused")
		self.assertEqual(frappe.db.get_value("WapBridge Campaign", doc.name, "pause_reason"), "user")
		self.assertEqual(api.resume_campaign(doc.name)["status"], "running")
		self.assertEqual(api.retry_failed(doc.name)["status"], "running")
		self.assertEqual(api.cancel_campaign(doc.name)["status"], "cancelled")

	def test_a_draft_is_cancelled_without_the_gateway(self):
		doc = self.campaign()
		self.assertEqual(api.cancel_campaign(doc.name)["status"], "cancelled")
		self.assertEqual(self.stub.requests, [])

	def test_keeps_what_the_gateway_has_been_told(self):
		doc = self.started()
		doc.message = "Something else"
		with self.assertRaises(frappe.ValidationError):
			doc.save()
		doc.reload()
		with self.assertRaises(frappe.ValidationError):
			doc.delete()
		api.cancel_campaign(doc.name)
		doc.reload()
		doc.delete()
		self.assertEqual(frappe.db.count("WapBridge Campaign Recipient", {"campaign": doc.name}), 0)

	def test_checks_what_is_entered(self):
		bad = [
			{"message": ""},
			{"message": "{{ name "},
			{"source_filters": "{"},
			{"window_from": "09:00"},
			{"window_from": "morning", "window_to": "17:00"},
			{"end_at": "2020-01-01 00:00:00"},
			{"schedule_at": "2030-01-02 00:00:00", "end_at": "2030-01-01 00:00:00"},
		]
		for fields in bad:
			with self.subTest(str(fields)), self.assertRaises(frappe.ValidationError):
				self.campaign(**fields)
			frappe.db.rollback()

	def test_renders_no_template_that_looks_behind_the_scenes(self):
		for message in ("{{ recipient.__class__ }}", "{{ ''.__class__.__mro__ }}"):
			with self.subTest(message), self.assertRaises(frappe.ValidationError):
				campaign_recipients.preview(self.campaign(message=message))


class Reconciliation(CampaignCase):
	def test_brings_counters_and_recipients_to_what_the_gateway_says(self):
		doc = self.started()
		self.gateway.rows["255757111111"] = {"status": "read", "reason": None, "message_id": "true_1"}
		self.gateway.rows["255757222222"] = {"status": "failed", "reason": "not_on_whatsapp", "message_id": "true_2"}
		tasks.sync_campaigns()
		doc.reload()
		self.assertEqual((doc.sent, doc.read_count, doc.failed, doc.queued), (1, 1, 1, 0))
		self.assertEqual(
			[(row.status, row.reason, row.message_id) for row in self.recipients(doc)],
			[("Read", None, "true_1"), ("Failed", "not_on_whatsapp", "true_2")],
		)

	def test_does_not_read_all_recipients_again_when_nothing_has_changed(self):
		doc = self.started()
		campaign_sync.sync(doc.name)
		asked = len(self.stub.calls(RECIPIENTS))
		campaign_sync.sync(doc.name)
		self.assertEqual(len(self.stub.calls(RECIPIENTS)), asked)

	def test_closes_an_ended_campaign_and_asks_no_more(self):
		doc = self.started()
		del self.gateway.rows["255757222222"]
		self.gateway.rows["255757111111"]["status"] = "delivered"
		self.gateway.state = "completed"
		tasks.sync_campaigns()
		self.assertEqual([row.status for row in self.recipients(doc)], ["Delivered", "Cancelled"])
		self.stub.requests.clear()
		tasks.sync_campaigns()
		self.assertEqual(self.stub.requests, [])

	def test_two_looks_at_once_do_not_write_what_was_over_what_is(self):
		doc = self.started()
		for row in self.gateway.rows.values():
			row["status"] = "sent"
		update, at_once = campaign_sync._update, [True]

		def later(name, rows):
			# Between what one has read and what it writes, another reads and writes.
			if at_once.pop() if at_once else False:
				for row in self.gateway.rows.values():
					row["status"] = "delivered"
				campaign_sync.sync(doc.name)
			update(name, rows)

		with patch.object(campaign_sync, "_update", side_effect=later):
			with patch.object(campaign_sync, "WAIT_SECONDS", 0, create=True):
				campaign_sync.sync(doc.name)
		tasks.sync_campaigns()
		self.assertEqual({row.status for row in self.recipients(doc)}, {"Delivered"})

	def test_a_campaign_that_the_gateway_lost_is_failed(self):
		doc = self.started()
		self.stub.answers[STATUS] = refusal(404, "not_found", "There is no campaign WAP-CAM-0007")
		tasks.sync_campaigns()
		doc.reload()
		self.assertEqual((doc.status, doc.error), ("Failed", "There is no campaign WAP-CAM-0007"))

	def test_a_gateway_that_is_down_changes_nothing(self):
		doc = self.started()
		self.stub.answers[STATUS] = (503, b"")
		with patch_sleep():
			tasks.sync_campaigns()
		doc.reload()
		self.assertEqual(doc.status, "Running")

	def test_an_event_makes_the_site_ask(self):

		doc = self.started()
		with patch("frappe.enqueue") as enqueue:
			post_webhook(
				{"instance_id": INSTANCE, "event": "campaign.paused", "campaign": "WAP-CAM-0007", "status": "paused"}
			)
		self.assertEqual(enqueue.call_args.kwargs["name"], doc.name)

	def test_ten_thousand_recipients(self):
		began = time.monotonic()
		numbers = "\n".join(f"0757{number:06d}, Person {number}" for number in range(100_000, 112_500))
		doc = self.started(manual_numbers=numbers)
		prepared = time.monotonic()
		self.assertEqual((doc.status, doc.total), ("Running", 12_500))
		self.assertEqual(len(self.gateway.rows), 12_500)
		self.assertEqual([len(self.stub.calls(CREATE)), len(self.stub.calls(ADD))], [1, 1])
		for row in self.gateway.rows.values():
			row["status"] = "delivered"
		campaign_sync.sync(doc.name)
		synced = time.monotonic()
		self.assertEqual(
			frappe.db.count("WapBridge Campaign Recipient", {"campaign": doc.name, "status": "Delivered"}), 12_500
		)
		print(f"12,500 recipients: prepared in {prepared - began:.1f} s, reconciled in {synced - prepared:.1f} s")
		self.assertLess(synced - began, 120)


class Paths(CampaignCase):
	"""The source's own methods, on the site."""

	def setUp(self):
		super().setUp()
		user = self.user("wb-manager@example.com", "WapBridge Manager")
		doc = frappe.get_doc("User", user)
		doc.api_key, doc.api_secret = "wbkey2", "wbsecret2"
		doc.save()

	def post(self, method, **body):
		return request(
			"POST",
			f"/api/method/wap_bridge.api.campaigns.{method}",
			json=body,
			headers={"Authorization": "token wbkey2:wbsecret2"},
		)

	def test_work_as_documented(self):
		status, answer = self.post(
			"create_and_start_campaign",
			instance_id=INSTANCE,
			campaign_name="Promo Batch A",
			message="Hello from WapBridge",
			recipients=["255757111111", "255757222222"],
		)
		self.assertEqual(status, 200, answer)
		self.assertEqual(
			(answer["ok"], answer["status"], answer["total"], answer["duplicates"], answer["invalid"]),
			(True, "running", 2, 0, []),
		)
		campaign = answer["campaign"]
		self.assertRegex(campaign, r"^WAP-CAM-\d{4,}$")
		status, answer = self.post(
			"add_campaign_recipients",
			campaign=campaign,
			recipients=[{"phone_number": "255757333333"}, {"to_number": "255757444444"}],
		)
		self.assertEqual((status, answer["total"]), (200, 4))
		self.assertEqual(len(self.gateway.rows), 4)
		for method, state in (
			("campaign_status", "running"),
			("pause_campaign", "paused"),
			("resume_campaign", "running"),
		):
			status, answer = self.post(method, campaign=campaign)
			self.assertEqual((status, answer["status"]), (200, state), method)

	def test_take_lists_as_clients_of_frappe_send_them(self):
		status, answer = self.post(
			"create_and_start_campaign",
			message="Hi {{ city }}",
			recipients='[{"phone_number": "255757111111", "city": "Mwanza"}]',
		)
		self.assertEqual(
			(status, self.stub.calls(CREATE)[0].json["recipients"]),
			(200, [{"phone_number": "+255757111111", "text": "Hi Mwanza"}]),
			answer,
		)

	def test_refuse_what_is_missing(self):
		self.assertEqual(self.post("create_and_start_campaign", message="x")[0], 417)
		self.assertEqual(self.post("create_and_start_campaign", recipients=["255757111111"])[0], 417)
		self.assertEqual(self.post("campaign_status", campaign="WAP-CAM-9999")[0], 404)


def patch_sleep():
	from unittest.mock import patch

	return patch("wap_bridge.transport.RETRY_DELAYS", (0, 0))
