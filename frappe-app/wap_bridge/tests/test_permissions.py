import frappe

from wap_bridge import outbox, timeline
from wap_bridge.api import whatsapp as api
from wap_bridge.tests.base import INSTANCE, WapBridgeTestCase

DOCTYPES = ("Settings", "Instance", "Message", "Contact", "Template", "Campaign", "Campaign Recipient", "Webhook Event")
RIGHTS = {
	"WapBridge Manager": {
		"read": set(DOCTYPES),
		"write": {"Settings", "Instance", "Message", "Contact", "Template", "Campaign"},
		"create": {"Settings", "Instance", "Message", "Contact", "Template", "Campaign"},
		"delete": {"Instance", "Message", "Contact", "Template", "Campaign", "Campaign Recipient", "Webhook Event"},
	},
	# The directory and the lists of campaigns hold everybody's numbers.
	"WapBridge User": {
		"read": {"Instance", "Message", "Template"},
		"write": set(),
		"create": {"Message"},
		"delete": set(),
		"export": set(),
	},
	"WapBridge Viewer": {
		"read": {"Instance", "Message", "Contact", "Template", "Campaign", "Campaign Recipient"},
		"write": set(),
		"create": set(),
		"delete": set(),
		"export": set(),
	},
	"Sales User": {"read": set(), "write": set(), "create": set(), "delete": set()},
}


class Roles(WapBridgeTestCase):
	def test_may_what_they_may_and_nothing_else(self):
		for role, rights in RIGHTS.items():
			user = self.user("wb-role@example.com", role)
			for right, wanted in rights.items():
				may = {name for name in DOCTYPES if frappe.has_permission(f"WapBridge {name}", right, user=user)}
				self.assertEqual(may, wanted, f"{role}: {right}")

	def test_users_see_what_they_sent_and_what_was_answered(self):
		mine, other = (
			self.user("wb-mine@example.com", "WapBridge User"),
			self.user("wb-other@example.com", "WapBridge User"),
		)
		for owner, number in ((mine, "+255757000001"), (other, "+255757000002")):
			frappe.set_user(owner)
			outbox.put(message="x", phone=number)
		frappe.set_user("Administrator")
		for number in ("+255757000001", "+255757000002"):
			contact = frappe.db.get_value("WapBridge Contact", {"phone": number})
			frappe.get_doc(
				{
					"doctype": "WapBridge Message",
					"direction": "Incoming",
					"status": "Received",
					"phone": number,
					"contact": contact,
					"message": "y",
				}
			).insert()
		frappe.db.commit()
		frappe.set_user(mine)
		self.assertEqual(
			{row.phone for row in frappe.get_list("WapBridge Message", fields=["phone"])}, {"+255757000001"}
		)
		self.assertEqual(len(frappe.get_list("WapBridge Message")), 2)
		theirs = frappe.get_all("WapBridge Message", filters={"phone": "+255757000002"}, pluck="name")
		for name in theirs:
			self.assertFalse(frappe.get_doc("WapBridge Message", name).has_permission("read"))
			with self.assertRaises(frappe.PermissionError):
				api.message_status(name)
			with self.assertRaises(frappe.PermissionError):
				api.retry_message(name)
		self.assertEqual(api.get_conversation(phone="+255757000002")["messages"], [])
		frappe.set_user("Administrator")
		viewer = self.user("wb-viewer@example.com", "WapBridge Viewer")
		frappe.set_user(viewer)
		self.assertEqual(len(frappe.get_list("WapBridge Message")), 4)
		with self.assertRaises(frappe.PermissionError):
			api.send_message("+255757000001", "x")

	def test_users_see_messages_of_documents_that_they_may_read(self):
		contact = self.contact()
		name = outbox.put(message="x", phone="+255757123456", reference_doctype="Contact", reference_name=contact.name)
		frappe.db.commit()
		doc = frappe.get_doc("WapBridge Message", name)
		seller = self.user("wb-seller@example.com", "WapBridge User", "Sales User")
		stranger = self.user("wb-stranger@example.com", "WapBridge User")
		self.assertTrue(doc.has_permission("read", user=seller))
		self.assertFalse(doc.has_permission("read", user=stranger))

	def test_a_timeline_shows_text_and_file_of_what_was_sent(self):
		contact = self.contact()
		outbox.put(
			message="Your <b>card</b>",
			filename="card <1>.pdf",
			phone="+255757123456",
			reference_doctype="Contact",
			reference_name=contact.name,
		)
		(shown,) = timeline.messages_of("Contact", contact.name)
		self.assertIn("card &lt;1&gt;.pdf", shown["content"])
		self.assertIn("Your &lt;b&gt;card&lt;/b&gt;", shown["content"])

	def test_user_permissions_hold_instances_apart(self):
		frappe.get_doc({"doctype": "WapBridge Instance", "instance_id": "INST-01-0000143", "title": "Other"}).insert()
		user = self.user("wb-mine@example.com", "WapBridge User")
		frappe.get_doc(
			{"doctype": "User Permission", "user": user, "allow": "WapBridge Instance", "for_value": INSTANCE}
		).insert()
		frappe.db.commit()
		frappe.set_user(user)
		try:
			self.assertEqual(frappe.get_list("WapBridge Instance", pluck="name"), [INSTANCE])
			with self.assertRaises(frappe.PermissionError):
				api.send_message("+255757123456", "x", instance="INST-01-0000143")
			self.assertTrue(api.send_message("+255757123456", "x", instance=INSTANCE)["ok"])
		finally:
			frappe.set_user("Administrator")
			frappe.db.delete("User Permission", {"allow": "WapBridge Instance"})
			frappe.db.commit()


class Timeline(WapBridgeTestCase):
	def test_shows_messages_of_a_document_escaped(self):
		contact = self.contact()
		outbox.put(
			message="<script>alert(1)</script>\nline",
			phone="+255757123456",
			reference_doctype="Contact",
			reference_name=contact.name,
		)
		frappe.db.set_value(
			"WapBridge Message", {}, {"profile_name": "<img src=x onerror=alert(1)>", "error": "<b>x</b>"}
		)
		entry = timeline.messages_of("Contact", contact.name)[0]
		for bad in ("<script>", "<img", "<b>x"):
			self.assertNotIn(bad, entry["content"])
		self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;<br>line", entry["content"])

	def test_is_part_of_the_form(self):
		from frappe.desk.form.load import get_additional_timeline_content

		contact = self.contact()
		outbox.put(message="Hello", phone="+255757123456", reference_doctype="Contact", reference_name=contact.name)
		self.assertEqual(len(get_additional_timeline_content("Contact", contact.name)), 1)

	def test_pages_through_a_conversation(self):
		contact = self.contact()
		for number in range(5):
			outbox.put(
				message=str(number), phone="+255757123456", reference_doctype="Contact", reference_name=contact.name
			)
			frappe.db.set_value(
				"WapBridge Message", {"message": str(number)}, "creation", f"2026-01-01 00:00:0{number}"
			)
		frappe.db.commit()
		first = api.get_conversation(phone="0757 123 456", limit=3)
		self.assertEqual([row.message for row in first["messages"]], ["4", "3", "2"])
		second = api.get_conversation(doctype="Contact", name=contact.name, before=first["next"], limit=3)
		self.assertEqual([row.message for row in second["messages"]], ["1", "0"])
		self.assertIsNone(second["next"])
