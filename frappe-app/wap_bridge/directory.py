"""Number → person as one indexed read: WapBridge Contact holds every number in E.164 with the Contact and party behind it.

It is filled when Contacts are saved, and once for those that are there already. A number that is in no Contact gets a row too, so
that nobody looks for it twice.
"""

import frappe
from frappe.utils import cint, now_datetime

from wap_bridge import connection
from wap_bridge.wire import phone
from wap_bridge.wire.payload import harmless, person_name

DOCTYPE = "WapBridge Contact"
FIELDS = ["name", "title", "phone", "lid", "profile_name", "contact", "linked_doctype", "linked_name", "opted_out"]
# Whom a Contact stands for when it stands for several.
PARTY_ORDER = ("Customer", "Lead", "Supplier", "Employee", "Student", "Patient", "Prospect")


def find(phone_number: str | None = None, lid: str | None = None):
	"""Returns the row of a number (E.164) or hidden id, None when there is none: one read by a unique index."""
	if phone_number:
		found = frappe.db.get_value(DOCTYPE, {"phone": phone_number}, FIELDS, as_dict=True)
		if found or not lid:
			return found
	return frappe.db.get_value(DOCTYPE, {"lid": lid}, FIELDS, as_dict=True) if lid else None


def remember(phone_number: str | None = None, lid: str | None = None, profile_name: str = ""):
	"""Returns the row of a person, made when there is none, with what is newly known of the person; None for nobody."""
	if not phone_number and not lid:
		return None
	row = find(phone_number, lid)
	if row is None:
		row = _create(phone_number, lid, profile_name)
	changes = {}
	if phone_number and row.phone != phone_number and not row.phone:
		changes["phone"] = phone_number
	if lid and row.lid != lid:
		_release_lid(lid, row)
		changes["lid"] = lid
	if profile_name and row.profile_name != profile_name:
		changes["profile_name"] = profile_name
		if not row.contact:
			changes["title"] = profile_name
	if changes:
		frappe.db.set_value(DOCTYPE, row.name, changes)
		row.update(changes)
	return row


def _create(phone_number, lid, profile_name):
	values = {
		"doctype": DOCTYPE,
		"phone": phone_number,
		"lid": lid,
		"profile_name": profile_name,
		"title": profile_name or phone_number or lid,
		"looked_up_on": now_datetime(),
	}
	contact = _contact_with(phone_number) if phone_number else None
	if contact:
		values |= _links_of(contact)
	frappe.db.savepoint("wapbridge_contact")
	try:
		doc = frappe.get_doc(values).insert(ignore_permissions=True)
	except (frappe.UniqueValidationError, frappe.DuplicateEntryError):
		# Two messages of a new person at once: the other one was first.
		frappe.db.rollback(save_point="wapbridge_contact")
		return frappe.db.get_value(
			DOCTYPE, {"phone": phone_number} if phone_number else {"lid": lid}, FIELDS, as_dict=True, for_update=True
		)
	return frappe._dict({field: doc.get(field) for field in FIELDS})


def _release_lid(lid, row):
	"""A person was first known by hidden id only, and now by number: what was under the id moves to the number."""
	other = frappe.db.get_value(DOCTYPE, {"lid": lid, "name": ("!=", row.name)})
	if not other:
		return
	frappe.db.set_value("WapBridge Message", {"contact": other}, "contact", row.name, update_modified=False)
	if frappe.db.get_value(DOCTYPE, other, "opted_out"):
		frappe.db.set_value(DOCTYPE, row.name, "opted_out", 1)
		row.opted_out = 1
	if frappe.db.get_value(DOCTYPE, other, "phone"):
		frappe.db.set_value(DOCTYPE, other, "lid", None)
	else:
		frappe.delete_doc(DOCTYPE, other, force=True, ignore_permissions=True)


def _contact_with(phone_number: str):
	"""Returns the Contact that has a number, in whatever format, until all Contacts have been gone through once."""
	if connection.settings().contacts_indexed_on:
		return None
	candidates = frappe.get_all(
		"Contact Phone", filters={"phone": ("like", f"%{phone_number[-2:]}%")}, fields=["parent", "phone"], limit=5000
	)
	country = connection.default_country()
	for candidate in candidates:
		if phone_number in _numbers([candidate.phone], country):
			return frappe.get_doc("Contact", candidate.parent)
	return None


def _numbers(values, country) -> set[str]:
	found = set()
	for value in values:
		for entry in phone.split(value):
			try:
				found.add(phone.to_e164(entry, country))
			except phone.InvalidNumber:
				continue
	return found


def _links_of(contact) -> dict:
	links = {link.link_doctype: link.link_name for link in reversed(contact.get("links") or [])}
	party = next((doctype for doctype in PARTY_ORDER if doctype in links), next(iter(links), None))
	title = " ".join(part for part in (contact.first_name, contact.last_name) if part) or contact.company_name
	return {
		"contact": contact.name,
		"title": person_name(title or contact.name),
		"linked_doctype": party,
		"linked_name": links.get(party) if party else None,
	}


def on_contact_update(doc, method=None):
	"""Keeps the numbers of a Contact findable. Asks the database nothing while the app is not configured."""
	if connection.is_enabled():
		index(doc)


def index(contact):
	values = [row.phone for row in contact.get("phone_nos") or []] + [contact.get("mobile_no"), contact.get("phone")]
	numbers = _numbers([value for value in values if value], connection.default_country())
	known = {row.phone: row for row in frappe.get_all(DOCTYPE, filters={"contact": contact.name}, fields=FIELDS)}
	links = _links_of(contact)
	for gone in known.keys() - numbers:
		frappe.db.set_value(DOCTYPE, known[gone].name, {"contact": None, "linked_doctype": None, "linked_name": None})
	for number in sorted(numbers):
		row = known.get(number) or find(number)
		if row is None:
			row = _create(number, None, "")
		# A number that two Contacts share stays with the first.
		elif row.contact and row.contact != contact.name:
			continue
		if any(row.get(field) != value for field, value in links.items()):
			frappe.db.set_value(DOCTYPE, row.name, links)


def on_contact_trash(doc, method=None):
	if connection.is_enabled():
		forget(doc.name)


def forget(contact: str):
	frappe.db.set_value(DOCTYPE, {"contact": contact}, {"contact": None, "linked_doctype": None, "linked_name": None})


def enqueue_index_all():
	"""Makes the numbers of all Contacts findable in the background: one job, however often it is asked for."""
	frappe.enqueue(
		"wap_bridge.directory.index_all",
		queue="long",
		job_id="wapbridge-index-contacts",
		deduplicate=True,
		enqueue_after_commit=True,
	)


def index_all(batch: int = 500):
	"""Makes the numbers of all Contacts findable."""
	last = ""
	while names := frappe.get_all("Contact", filters={"name": (">", last)}, order_by="name", limit=batch, pluck="name"):
		for name in names:
			index(frappe.get_doc("Contact", name))
		frappe.db.commit()
		last = names[-1]
	frappe.db.set_single_value(connection.SETTINGS, "contacts_indexed_on", now_datetime(), update_modified=False)
	frappe.clear_document_cache(connection.SETTINGS, connection.SETTINGS)


def person_of(row) -> tuple[str, str] | None:
	"""Returns the document that a person's messages belong to: the party, else the Contact."""
	if row is None:
		return None
	if row.linked_doctype and row.linked_name and frappe.db.exists(row.linked_doctype, row.linked_name):
		return row.linked_doctype, row.linked_name
	return ("Contact", row.contact) if row.contact and frappe.db.exists("Contact", row.contact) else None


def introduce(row):
	"""Makes a Contact or a Lead for somebody who is in none, when WapBridge Settings says so."""
	kind = connection.settings().auto_create
	if row is None or row.contact or row.linked_name or not row.phone or kind not in ("Contact", "Lead"):
		return row
	# Two messages may come at once: the second one waits here for what the first one makes.
	row = frappe.db.get_value(DOCTYPE, row.name, FIELDS, as_dict=True, for_update=True)
	if row.contact or row.linked_name:
		return row
	name = (row.profile_name or row.phone)[:140]
	if kind == "Lead" and frappe.db.exists("DocType", "Lead"):
		lead = frappe.get_doc({"doctype": "Lead", "first_name": name, "lead_name": name, "mobile_no": row.phone})
		lead.insert(ignore_permissions=True, ignore_mandatory=True)
		changes = {"linked_doctype": "Lead", "linked_name": lead.name, "title": name}
		# ERPNext makes a Contact for a Lead by itself.
		made = frappe.db.get_value(
			"Dynamic Link", {"link_doctype": "Lead", "link_name": lead.name, "parenttype": "Contact"}, "parent"
		)
		if made:
			changes["contact"] = made
	else:
		contact = frappe.get_doc(
			{"doctype": "Contact", "first_name": name, "phone_nos": [{"phone": row.phone, "is_primary_mobile_no": 1}]}
		).insert(ignore_permissions=True)
		changes = {"contact": contact.name, "title": name}
	frappe.db.set_value(DOCTYPE, row.name, changes)
	row.update(changes)
	return row


def set_opted_out(phone_number: str, opted_out: bool, source: str | None):
	"""Writes down that a person does not want to be written to in bulk, or does again."""
	row = remember(phone_number=phone_number)
	frappe.db.set_value(
		DOCTYPE,
		row.name,
		{
			"opted_out": cint(opted_out),
			"opted_out_on": now_datetime() if opted_out else None,
			"opt_out_source": harmless(source, 140) or None,
		},
	)
