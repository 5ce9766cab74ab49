"""Where the recipients of a campaign come from: each source yields people, each with what its text may name."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import frappe
from frappe import _

from wap_bridge.recipients import MOBILE_FIELDS

PAGE = 1000
PHONE_COLUMNS = (
	"phone_number",
	"to_number",
	"mobile_no",
	"mobile",
	"whatsapp_no",
	"phone",
	"contact_mobile",
	"number",
	"tel",
	"cell",
)
NAME_COLUMNS = (
	"recipient_name",
	"customer_name",
	"lead_name",
	"supplier_name",
	"full_name",
	"first_name",
	"title",
	"name",
)


@dataclass
class Person:
	"""Somebody to write to; `number` is as it was found, and empty when there is none."""

	number: str
	name: str = ""
	doctype: str | None = None
	docname: str | None = None
	fields: dict = field(default_factory=dict)


def people(campaign) -> Iterator[Person]:
	"""Yields whom the campaign's source names, as far as its user may read them.

	:raises frappe.ValidationError: for a source that cannot be read.
	"""
	source = SOURCES.get(campaign.source_type)
	if not source:
		frappe.throw(_("Choose where the recipients come from"))
	yield from source(campaign)


def phone_fields(doctype: str) -> list[dict]:
	"""Returns the fields of a doctype that hold phone numbers, the likeliest first."""
	meta = frappe.get_meta(doctype)
	found = [
		df for df in meta.fields if df.fieldtype == "Phone" or df.options == "Phone" or df.fieldname in MOBILE_FIELDS
	]
	order = {name: index for index, name in enumerate(MOBILE_FIELDS)}
	found.sort(key=lambda df: order.get(df.fieldname, len(order)))
	return [{"fieldname": df.fieldname, "label": _(df.label or df.fieldname)} for df in found]


def _manual(campaign) -> Iterator[Person]:
	for line in (campaign.manual_numbers or "").splitlines():
		number, _separator, name = line.replace("\t", ",").replace(";", ",").partition(",")
		if line.strip():
			name = name.strip()
			yield Person(number.strip(), name, fields={"name": name, "phone_number": number.strip()})


def _list(campaign) -> Iterator[Person]:
	yield from _documents(campaign.source_doctype, _filters(campaign), campaign.phone_field, campaign.name_field)


def _contacts(campaign) -> Iterator[Person]:
	yield from _documents("Contact", _filters(campaign), "mobile_no", None)


def _customer_group(campaign) -> Iterator[Person]:
	if not frappe.db.exists("DocType", "Customer"):
		frappe.throw(_("Customer groups come with ERPNext"))
	bounds = frappe.db.get_value("Customer Group", campaign.group_name, ["lft", "rgt"])
	if not bounds:
		frappe.throw(_("Choose a customer group"))
	groups = frappe.get_all(
		"Customer Group", filters={"lft": (">=", bounds[0]), "rgt": ("<=", bounds[1])}, pluck="name"
	)
	yield from _documents("Customer", {"customer_group": ("in", groups), "disabled": 0}, None, None)


def _email_group(campaign) -> Iterator[Person]:
	"""Members have an e-mail address only: whose it is, a Contact or a User, has the number."""
	frappe.has_permission("Email Group", "read", campaign.group_name, throw=True)
	emails = frappe.get_all(
		"Email Group Member",
		filters={"email_group": campaign.group_name, "unsubscribed": 0},
		pluck="email",
		order_by="creation",
	)
	for start in range(0, len(emails), PAGE):
		page = emails[start : start + PAGE]
		contacts = {
			row.email_id: row.parent
			for row in frappe.get_all(
				"Contact Email",
				filters={"email_id": ("in", page), "parenttype": "Contact"},
				fields=["email_id", "parent"],
			)
		}
		rows = {
			row.name: row
			for row in frappe.get_all(
				"Contact",
				filters={"name": ("in", list(contacts.values()) or [""])},
				fields=["name", "first_name", "last_name", "mobile_no", "phone"],
			)
		}
		users = {
			row.name: row
			for row in frappe.get_all(
				"User", filters={"name": ("in", page), "enabled": 1}, fields=["name", "full_name", "mobile_no", "phone"]
			)
		}
		for email in page:
			contact = rows.get(contacts.get(email))
			user = users.get(email)
			number = (
				(contact and (contact.mobile_no or contact.phone)) or (user and (user.mobile_no or user.phone)) or ""
			)
			name = (
				" ".join(filter(None, (contact.first_name, contact.last_name)))
				if contact
				else (user.full_name if user else "")
			)
			yield Person(
				number,
				name or email,
				"Contact" if contact else ("User" if user else None),
				contact.name if contact else (user.name if user else None),
				{"name": name or "", "email": email},
			)


def _report(campaign) -> Iterator[Person]:
	report = frappe.get_doc("Report", campaign.report)
	if not report.is_permitted() or not frappe.has_permission(report.ref_doctype, "report"):
		frappe.throw(_("You may not see report {0}").format(report.name), frappe.PermissionError)
	columns, rows = report.get_data(filters=_filters(campaign) or {}, as_dict=True, ignore_prepared_report=True)
	names = [
		column.get("fieldname") if isinstance(column, dict) else frappe.scrub(str(column).split(":")[0])
		for column in columns
	]
	labels = {
		str(column.get("label") or "").lower(): column.get("fieldname")
		for column in columns
		if isinstance(column, dict)
	}
	phone_column = labels.get((campaign.phone_field or "").lower()) or campaign.phone_field
	name_column = labels.get((campaign.name_field or "").lower()) or campaign.name_field
	for row in rows:
		if isinstance(row, dict) and row:
			yield _from_row(
				{frappe.scrub(str(key)): value for key, value in row.items()}, names, phone_column, name_column
			)


def _csv(campaign) -> Iterator[Person]:
	file = frappe.get_doc("File", {"file_url": campaign.csv_file})
	file.check_permission("read")
	content = file.get_content()
	text = _decode(content) if isinstance(content, bytes) else content
	sample = text[:8192]
	delimiter = max(",;\t|", key=lambda char: sample.split("\n", 1)[0].count(char))
	reader = csv.reader(io.StringIO(text), delimiter=delimiter)
	header = next(reader, None)
	if not header:
		frappe.throw(_("The CSV file is empty"))
	if sum(char.isdigit() for char in header[0]) >= 7:
		# No header: numbers in the first column, names in the second.
		yield Person(
			header[0].strip(),
			header[1].strip() if len(header) > 1 else "",
			fields={"name": header[1] if len(header) > 1 else ""},
		)
		names = ["phone_number", "name", *(f"column_{index}" for index in range(3, 100))]
	else:
		names = [frappe.scrub(cell.strip().lstrip("\ufeff")) for cell in header]
	for cells in reader:
		if any(cell.strip() for cell in cells):
			row = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
			yield _from_row(row, names, campaign.phone_field, campaign.name_field)


def _from_row(row: dict, names: list[str], phone_column: str | None, name_column: str | None) -> Person:
	phone_column = frappe.scrub(phone_column) if phone_column else _first(PHONE_COLUMNS, names)
	name_column = frappe.scrub(name_column) if name_column else _first(NAME_COLUMNS, names)
	name = str(row.get(name_column) or "") if name_column else ""
	return Person(str(row.get(phone_column) or "") if phone_column else "", name, fields={"name": name, **row})


def _documents(doctype: str, filters, phone_field: str | None, name_field: str | None) -> Iterator[Person]:
	"""Yields the documents of a list as its user sees them; who has no number of their own is asked for by Contact."""
	if not doctype:
		frappe.throw(_("Choose a document type"))
	meta = frappe.get_meta(doctype)
	fields = [phone_field] if phone_field else [row["fieldname"] for row in phone_fields(doctype)]
	if phone_field and not meta.has_field(phone_field):
		frappe.throw(_("{0} has no field {1}").format(_(doctype), frappe.utils.escape_html(phone_field)))
	name_field = name_field or _first(NAME_COLUMNS, [df.fieldname for df in meta.fields]) or "name"
	start = 0
	while rows := frappe.get_list(
		doctype,
		filters=filters,
		fields=["*"],
		order_by="creation asc, name asc",
		limit_start=start,
		limit=PAGE,
	):
		numbers = {row.name: next((str(row.get(name)) for name in fields if row.get(name)), "") for row in rows}
		missing = [name for name, number in numbers.items() if not number]
		numbers |= _numbers_of_contacts(doctype, missing) if missing else {}
		for row in rows:
			shown = str(row.get(name_field) or row.name)
			yield Person(
				numbers.get(row.name) or "", shown, doctype, row.name, {**row, "name": shown, "docname": row.name}
			)
		start += PAGE


def _numbers_of_contacts(doctype: str, names: list[str]) -> dict[str, str]:
	"""Returns the number of the first Contact of each document; primary ones go before others."""
	if doctype == "Contact":
		rows = frappe.get_all("Contact", filters={"name": ("in", names)}, fields=["name", "phone"])
		return {row.name: row.phone for row in rows if row.phone}
	links = frappe.get_all(
		"Dynamic Link",
		filters={"link_doctype": doctype, "link_name": ("in", names), "parenttype": "Contact"},
		fields=["parent", "link_name"],
	)
	contacts = {
		row.name: row
		for row in frappe.get_all(
			"Contact",
			filters={"name": ("in", [link.parent for link in links] or [""])},
			fields=["name", "mobile_no", "phone", "is_primary_contact"],
		)
	}
	found: dict[str, str] = {}
	for link in sorted(links, key=lambda link: not (contacts.get(link.parent) or {}).get("is_primary_contact")):
		contact = contacts.get(link.parent)
		number = contact and (contact.mobile_no or contact.phone)
		if number:
			found.setdefault(link.link_name, number)
	return found


def _filters(campaign):
	return frappe.parse_json(campaign.source_filters) if campaign.source_filters else {}


def _first(wanted, names):
	return next((name for name in wanted if name in names), None)


def _decode(content: bytes) -> str:
	if content.startswith((b"\xff\xfe", b"\xfe\xff")):
		return content.decode("utf-16")
	try:
		return content.decode("utf-8-sig")
	except UnicodeDecodeError:
		return content.decode("cp1252", "replace")


SOURCES = {
	"Manual": _manual,
	"List": _list,
	"Report": _report,
	"Customer Group": _customer_group,
	"Contacts": _contacts,
	"Email Group": _email_group,
	"CSV": _csv,
}
