"""What the app brings to a site and to its desk."""

import json
from pathlib import Path

import frappe

import wap_bridge
from wap_bridge import boot
from wap_bridge.tests.base import WapBridgeTestCase, request

APP = Path(wap_bridge.__file__).parent
DOCTYPES = sorted(json.loads(path.read_text())["name"] for path in APP.glob("wap_bridge/doctype/*/*.json"))


class Install(WapBridgeTestCase):
	def test_every_doctype_is_there_with_its_table_and_its_roles(self):
		self.assertGreaterEqual(len(DOCTYPES), 8)
		for name in DOCTYPES:
			meta = frappe.get_meta(name)
			self.assertEqual(meta.module, "Wap Bridge", name)
			if not meta.issingle:
				self.assertTrue(frappe.db.table_exists(name), name)
			if not meta.istable:
				self.assertIn("WapBridge Manager", {permission.role for permission in meta.permissions}, name)

	def test_prefixes_its_doctypes(self):
		self.assertEqual([name for name in DOCTYPES if not name.startswith("WapBridge ")], [])

	def test_every_doctype_can_be_made_or_opened_by_a_manager(self):
		frappe.set_user(self.user("wb-manager@example.com", "WapBridge Manager"))
		self.addCleanup(frappe.set_user, "Administrator")
		for name in DOCTYPES:
			meta = frappe.get_meta(name)
			if meta.issingle:
				frappe.get_doc(name).check_permission("read")
			elif not meta.istable:
				frappe.get_list(name, limit=1)

	def test_the_workspace_leads_to_what_is_there(self):
		workspace = frappe.get_doc("Workspace", "WapBridge")
		linked = {row.link_to for row in [*workspace.links, *workspace.shortcuts] if row.get("link_to")}
		self.assertEqual([name for name in linked if not frappe.db.exists("DocType", name)], [])
		cards = {row.number_card_name for row in workspace.number_cards}
		self.assertEqual(len(cards), 4)
		for card in cards:
			from frappe.desk.doctype.number_card.number_card import get_result

			doc = frappe.get_doc("Number Card", card)
			self.assertEqual(get_result(doc, doc.filters_json), 0, card)
		shown = {block["data"].get("number_card_name") for block in json.loads(workspace.content)} - {None}
		self.assertEqual(shown, cards)


class Desk(WapBridgeTestCase):
	def bootinfo(self, *roles):
		frappe.set_user(self.user("wb-desk@example.com", *roles))
		self.addCleanup(frappe.set_user, "Administrator")
		info = frappe._dict()
		boot.extend_bootinfo(info)
		frappe.set_user("Administrator")
		return info.get("wap_bridge")

	def test_tells_the_desk_where_the_buttons_are(self):
		frappe.get_doc(
			{"doctype": "WapBridge Template", "title": "WB event", "document_type": "Event", "message": "Hi"}
		).insert()
		doctypes = self.bootinfo("WapBridge User")["doctypes"]
		self.assertEqual([name for name in ("Sales Invoice", "Lead", "Contact", "Event") if name not in doctypes], [])

	def test_tells_nothing_to_those_without_a_role_or_while_the_app_is_off(self):
		self.assertIsNone(self.bootinfo("Blogger"))
		frappe.db.set_single_value("WapBridge Settings", "enabled", 0)
		frappe.clear_document_cache("WapBridge Settings", "WapBridge Settings")
		self.assertIsNone(self.bootinfo("WapBridge Manager"))

	def test_every_script_and_picture_that_hooks_name_is_shipped(self):
		for path in ("public/js/wap_bridge.bundle.js", "public/css/wap_bridge.bundle.css", "public/js/notification.js"):
			self.assertTrue((APP / path).is_file(), path)
		for entry in frappe.get_hooks("add_to_apps_screen", app_name="wap_bridge"):
			self.assertTrue((APP / "public" / entry["logo"].removeprefix("/assets/wap_bridge/")).is_file())
			self.assertTrue(frappe.get_attr(entry["has_permission"])())

	def test_keeps_the_sites_own_logo(self):
		self.assertEqual(frappe.get_hooks("app_logo_url", app_name="wap_bridge"), [])

	def test_what_people_write_is_kept_as_it_is_and_shown_as_text(self):
		evil = '<img src=x onerror="alert(1)"><script>alert(2)</script> *bold*'
		doc = frappe.get_doc(
			{
				"doctype": "WapBridge Message",
				"direction": "Incoming",
				"status": "Received",
				"phone": "+255757123456",
				"profile_name": evil,
				"message": evil,
				"error": evil,
			}
		).insert(ignore_permissions=True)
		doc.reload()
		self.assertEqual(doc.message, evil)
		self.assertNotIn("onerror", doc.profile_name)
		frappe.db.commit()
		# The stock print shows every field: as text, or not at all.
		html = frappe.get_print(doc.doctype, doc.name)
		self.assertIn("&lt;img", html)
		self.assertNotIn("<img src=x", html)
		self.assertNotIn("<script>alert(2)", html)

	def test_fields_that_keep_what_people_write_are_of_the_kind_that_frappe_escapes(self):
		for name in DOCTYPES:
			loose = [
				df.fieldname for df in frappe.get_meta(name).fields if df.ignore_xss_filter and df.fieldtype != "Code"
			]
			self.assertEqual(loose, [], name)

	def test_the_stock_api_says_which_site_is_in_maintenance(self):
		frappe.local.conf.maintenance_mode = 1
		self.addCleanup(frappe.local.conf.pop, "maintenance_mode", None)
		path = Path(frappe.get_site_path("site_config.json"))
		before = path.read_text()
		self.addCleanup(path.write_text, before)
		path.write_text(json.dumps({**json.loads(before), "maintenance_mode": 1}))
		status, _ = request("POST", "/api/method/wap_bridge.api.webhook.receive", data=b"{}")
		# The gateway tries again what is not answered by 2xx: nothing is lost while a site is migrated.
		self.assertEqual(status, 503)
