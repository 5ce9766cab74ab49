import frappe

from wap_bridge import directory, webhook_registration
from wap_bridge.tests.base import WapBridgeTestCase


class Counting(WapBridgeTestCase):
	def queries(self, function):
		"""Returns the statements that a call makes."""
		found = []
		sql = frappe.db.sql
		frappe.db.sql = lambda query, *args, **kwargs: found.append(str(query)) or sql(query, *args, **kwargs)
		try:
			function()
		finally:
			frappe.db.sql = sql
		return found


class Directory(Counting):
	def test_finds_a_person_by_one_indexed_read(self):
		contact = self.contact(number="0757-123 456")
		queries = self.queries(lambda: self.assertEqual(directory.find("+255757123456").contact, contact.name))
		self.assertEqual(len(queries), 1, queries)
		plan = frappe.db.sql(
			f"explain {queries[0]}"
			if "%" not in queries[0]
			else "explain select name from `tabWapBridge Contact` where phone='+255757123456'",
			as_dict=True,
		)
		self.assertIn(plan[0].type, ("const", "ref", "eq_ref"))
		self.assertIsNone(directory.find("+255757999999"))

	def test_follows_the_numbers_of_a_contact(self):
		contact = self.contact(number="0757 123 456")
		contact.append("phone_nos", {"phone": "+255 22 211 1111"})
		contact.phone_nos[0].phone = "0757 999 888"
		contact.save()
		self.assertIsNone(directory.find("+255757123456").contact)
		self.assertEqual(directory.find("+255757999888").contact, contact.name)
		self.assertEqual(directory.find("+255222111111").contact, contact.name)
		contact.delete()
		self.assertIsNone(directory.find("+255757999888").contact)

	def test_a_number_of_two_contacts_stays_with_the_first(self):
		first = self.contact("WB One", "0757123456")
		second = self.contact("WB Two", "0757123456")
		self.assertEqual(directory.find("+255757123456").contact, first.name)
		first.delete()
		second.save()
		self.assertEqual(directory.find("+255757123456").contact, second.name)

	def test_finds_contacts_from_before_the_app_was_switched_on(self):
		webhook_registration.write({"enabled": 0})
		contact = self.contact(number="(0757) 123-456")
		self.assertIsNone(directory.find("+255757123456"))
		webhook_registration.write({"enabled": 1, "contacts_indexed_on": None})
		self.assertEqual(directory.remember("+255757123456").contact, contact.name)
		frappe.db.delete("WapBridge Contact")
		directory.index_all()
		self.assertEqual(directory.find("+255757123456").contact, contact.name)
		self.assertTrue(frappe.db.get_single_value("WapBridge Settings", "contacts_indexed_on"))

	def test_learns_that_a_hidden_id_and_a_number_are_one_person(self):
		hidden = directory.remember(lid="120542636048510@lid", profile_name="Asha")
		frappe.db.set_value("WapBridge Contact", hidden.name, "opted_out", 1)
		frappe.get_doc(
			{
				"doctype": "WapBridge Message",
				"direction": "Incoming",
				"status": "Received",
				"contact": hidden.name,
				"message": "x",
			}
		).insert()
		known = self.contact(number="0757 123 456")
		person = directory.remember("+255757123456", "120542636048510@lid", "Asha")
		self.assertEqual((person.contact, person.lid), (known.name, "120542636048510@lid"))
		self.assertEqual(frappe.db.count("WapBridge Contact"), 1)
		self.assertEqual(frappe.db.get_value("WapBridge Message", {}, "contact"), person.name)
		self.assertTrue(frappe.db.get_value("WapBridge Contact", person.name, "opted_out"))
		self.assertEqual(directory.find(lid="120542636048510@lid").name, person.name)

	def test_two_processes_that_meet_the_same_stranger_make_one_row(self):
		from unittest.mock import patch

		directory.remember("+255757123456")
		with patch.object(directory, "find", return_value=None):
			self.assertEqual(directory.remember("+255757123456").phone, "+255757123456")
		self.assertEqual(frappe.db.count("WapBridge Contact"), 1)

	def test_two_messages_of_a_known_number_at_once_introduce_one_person(self):
		webhook_registration.write({"auto_create": "Contact"})
		person = directory.remember("+255757123456", profile_name="WB Neema")
		frappe.db.commit()
		# Both have read the row before either has made the Contact.
		first, second = directory.introduce(person.copy()), directory.introduce(person.copy())
		self.assertEqual(first.contact, second.contact)
		self.assertEqual(frappe.db.count("Contact", {"first_name": "WB Neema"}), 1)


class NothingConfigured(Counting):
	"""A site that has the app and does not use it pays nothing for it."""

	def setUp(self):
		super().setUp()
		webhook_registration.write({"enabled": 0})
		frappe.db.commit()
		frappe.get_cached_doc("WapBridge Settings")

	def test_a_save_asks_the_database_nothing_for_us(self):
		contact = self.contact(number="0757 123 456")
		todo = frappe.get_doc({"doctype": "ToDo", "description": "x"}).insert()
		for doc in (contact, todo):
			doc.save()
			with_app = self.queries(doc.save)
			hooks = frappe.get_hooks("doc_events")
			self.assertNotIn("*", [key for key, events in hooks.items() if "wap_bridge" in str(events)])
			self.assertEqual([query for query in with_app if "wapbridge" in query.lower()], [])
			without = self.without_hooks(doc)
			self.assertEqual(len(with_app), len(without))

	def without_hooks(self, doc):
		from unittest.mock import patch

		with patch("wap_bridge.directory.on_contact_update"):
			return self.queries(doc.save)

	def test_the_scheduler_asks_nothing_either(self):
		from wap_bridge import tasks

		for task in (tasks.flush_outbox, tasks.reconcile_statuses, tasks.sync_instances, tasks.sync_campaigns):
			self.assertEqual(self.queries(task), [], task.__name__)

	def test_a_form_asks_nothing_for_its_timeline(self):
		from wap_bridge import timeline

		self.assertEqual(self.queries(lambda: timeline.messages_of("ToDo", "x")), [])
