"""A campaign's people become rows with a number and a text each."""

from collections.abc import Iterable

import frappe
from frappe import _
from frappe.utils import now_datetime
from frappe.utils.jinja import validate_template

from wap_bridge import campaign_sync, connection
from wap_bridge.campaign_sources import Person, people
from wap_bridge.wire import payload as wire
from wap_bridge.wire import phone

RECIPIENT = "WapBridge Campaign Recipient"
WRITE = 1000
SHOWN = 20


class Unwritable(Exception):
	"""Somebody cannot be written to; the text says why."""


def write_recipients(campaign, persons: Iterable[Person] | None = None) -> dict:
	"""Writes one row for each number; returns and stores how many there are, and who has none. Can be done again."""
	unresolved: list[str] = []
	count = {"unresolved": 0, "duplicates": 0}
	before = frappe.db.count(RECIPIENT, {"campaign": campaign.name})
	seen = 0
	for rows in _portions(
		_rows(campaign, persons if persons is not None else people(campaign), unresolved, count), WRITE
	):
		seen += len(rows)
		_insert(campaign.name, rows)
		frappe.db.commit()
	total = frappe.db.count(RECIPIENT, {"campaign": campaign.name})
	values = {
		"total": total,
		"duplicates": max(0, seen - (total - before)),
		"unresolved": count["unresolved"],
		"unresolved_list": "\n".join(unresolved) or None,
	}
	campaign_sync.write(campaign.name, values)
	frappe.db.commit()
	if total == 0:
		frappe.throw(_("Nobody with a phone number was found"))
	return values


def preview(campaign) -> dict:
	"""Returns whom the campaign would reach, without writing anything."""
	unresolved: list[str] = []
	count = {"unresolved": 0}
	numbers: set[str] = set()
	sample = []
	for row in _rows(campaign, people(campaign), unresolved, count):
		if row["phone"] not in numbers and len(sample) < SHOWN:
			sample.append({key: row[key] for key in ("phone", "recipient_name", "message")})
		numbers.add(row["phone"])
	return {"total": len(numbers), "unresolved": count["unresolved"], "unresolved_list": unresolved, "sample": sample}


def _rows(campaign, persons, unresolved, count):
	country = connection.country_code(campaign.country) or connection.default_country()
	render = renderer(campaign.message)
	for person in persons:
		try:
			number = phone.to_e164(next(iter(phone.split(person.number)), ""), country)
			text = render(person)
		except (phone.InvalidNumber, Unwritable) as error:
			count["unresolved"] += 1
			if len(unresolved) < SHOWN:
				unresolved.append(wire.harmless(f"{person.docname or person.name or person.number}: {error}", 140))
			continue
		yield {
			"phone": number,
			"recipient_name": wire.person_name(person.name),
			"reference_doctype": person.doctype,
			"reference_name": person.docname,
			"message": text,
		}


def renderer(message: str | None):
	"""Returns a function from a person to the person's text, None when all get the same."""
	message = message or ""
	if "{{" not in message and "{%" not in message:
		return lambda person: None
	if ".__" in message:
		frappe.throw(_("The message names something that templates may not use"))
	validate_template(message)
	template = frappe.get_jenv().from_string(message)
	wants_document = "doc." in message or "doc[" in message

	def render(person: Person) -> str:
		fields = {str(key): "" if value is None else value for key, value in person.fields.items()}
		context = {**fields, "recipient": frappe._dict(fields), "name": person.name}
		if wants_document and person.doctype:
			context["doc"] = frappe.get_doc(person.doctype, person.docname)
		text = template.render(context).strip()
		# Frappe leaves what it does not know as it stands, and nobody wants to get that.
		if "{{" in text:
			raise Unwritable(_("{0} is not known").format(text[text.index("{{") : text.index("{{") + 40]))
		if not text:
			raise Unwritable(_("the message is empty"))
		return text

	return render


def _insert(campaign: str, rows: list[dict]):
	phones = [row["phone"] for row in rows]
	gone = set(frappe.get_all("WapBridge Contact", filters={"opted_out": 1, "phone": ("in", phones)}, pluck="phone"))
	now, user = now_datetime(), frappe.session.user
	fields = [
		"name",
		"creation",
		"modified",
		"owner",
		"modified_by",
		"docstatus",
		"idx",
		"campaign",
		"status",
		"changed_on",
	]
	own = ["phone", "recipient_name", "reference_doctype", "reference_name", "message"]
	values = [
		(
			frappe.generate_hash(length=10),
			now,
			now,
			user,
			user,
			0,
			0,
			campaign,
			"Opted Out" if row["phone"] in gone else "Pending",
			now,
			*(row[name] for name in own),
		)
		for row in rows
	]
	frappe.db.bulk_insert(RECIPIENT, [*fields, *own], values, ignore_duplicates=True)


def _portions(rows, size):
	portion = []
	for row in rows:
		portion.append(row)
		if len(portion) == size:
			yield portion
			portion = []
	if portion:
		yield portion
