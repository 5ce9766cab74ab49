"""Numbers as people and forms write them → E.164. libphonenumber decides; this cleans, splits and chooses the reading."""

import re
import unicodedata

# Everything that looks like one of these is not seen by people and not meant.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_DASHES = re.compile("[\u2010-\u2015\u2212\u30fc\uff0d]")
_SCHEME = re.compile(r"^\s*(?:tel|sms|whatsapp|callto|phone|mobile|mob|cell|fax|ph|m|t)\s*[:.]\s*(?://)?", re.I)
_EXTENSION = re.compile(r"\s*(?:;ext=|(?:ext|extn|extension|x)\.?\s*|#\s*)\d{1,6}\s*$", re.I)
_TRUNK = re.compile(r"(?<=\d)\s*\(\s*0\s*\)")
_NOISE = re.compile(r"[\s\-().*_'’·•–/\\\[\]]")
_WA_LINK = re.compile(r"^\s*(?:https?://)?(?:wa\.me/|api\.whatsapp\.com/send/?\?phone=)\+?(\d{7,15})\b", re.I)
_JID = re.compile(r"^\s*([0-9][0-9\-:]{4,40})@(c\.us|s\.whatsapp\.net|g\.us|lid)\s*$", re.I)
_SEPARATORS = re.compile(r"[,;\n\r\t|]+|/(?=\s*\+?\d{5,})")

MIN_DIGITS = 7
MAX_DIGITS = 15


class InvalidNumber(ValueError):
	"""Nobody can be called by this."""


def split(text: str | None) -> list[str]:
	"""Returns the numbers of a field that holds several, separated by `,` `;` `/` `|`, tabs or line breaks."""
	return [part.strip() for part in _SEPARATORS.split(str(text or "")) if part.strip()]


def jid(text: str | None) -> str | None:
	"""Returns a WhatsApp address as it is, None for anything else."""
	found = _JID.match(unicodedata.normalize("NFKC", str(text or "")))
	return f"{found[1]}@{found[2].lower()}" if found else None


def is_group(text: str | None) -> bool:
	"""Tells whether the text is the address of a WhatsApp group."""
	return (jid(text) or "").endswith("@g.us")


def clean(text: str | None) -> str:
	"""Returns digits with a `+` in front when the text says that the country is in it.

	:raises InvalidNumber: when no number of 7 to 15 digits is left.
	"""
	original = str(text or "")
	link = _WA_LINK.match(original)
	if link:
		return "+" + link[1]
	value = _INVISIBLE.sub("", unicodedata.normalize("NFKC", original))
	value = _DASHES.sub("-", value)
	value = _SCHEME.sub("", value)
	value = _EXTENSION.sub("", value)
	international = bool(re.match(r"\s*[(\[]?\s*(?:\+|00)", value))
	if international:
		value = _TRUNK.sub("", value)
	else:
		value = value.replace("(0)", "0")
	value = _NOISE.sub("", value)
	# Digits of other scripts are digits too: NFKC leaves Arabic and Devanagari ones.
	value = "".join(str(unicodedata.digit(char)) if char.isdigit() else char for char in value)
	if value.startswith("00"):
		value = "+" + value[2:]
	sign, digits = ("+", value[1:]) if value.startswith("+") else ("", value)
	if not digits.isascii() or not digits.isdigit() or not MIN_DIGITS <= len(digits) <= MAX_DIGITS:
		raise InvalidNumber(f"{original.strip()[:40] or 'An empty text'} is not a phone number")
	return sign + digits


def to_e164(text: str | None, country: str | None = None) -> str:
	"""Returns the number as `+255757123456`.

	Digits without `+` are read, in this order: with the calling code of `country` (ISO, such as TZ) in front, as a number of that
	country, as an international number that lacks its `+`.

	:raises InvalidNumber: when no reading is a possible number.
	"""
	address = jid(text)
	if address and address.endswith(("@c.us", "@s.whatsapp.net")):
		return "+" + re.sub(r"[:\-].*", "", address.split("@", 1)[0])
	number = clean(text)
	for reading in _readings(number, (country or "").upper() or None):
		return reading
	raise InvalidNumber(f"{str(text).strip()[:40]} is not a possible phone number")


def _readings(number: str, country: str | None):
	import phonenumbers

	def valid(candidate: str, region: str | None):
		try:
			parsed = phonenumbers.parse(candidate, region)
		except phonenumbers.NumberParseException:
			return None
		if not phonenumbers.is_valid_number(parsed):
			return None
		return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)

	if number.startswith("+"):
		attempts = [(number, None)]
	else:
		code = str(phonenumbers.country_code_for_region(country)) if country else ""
		with_code = [("+" + number, None)] if code not in ("", "0") and number.startswith(code) else []
		national = [(number, country)] if country else []
		attempts = [*with_code, *national, ("+" + number, None)]
	for candidate, region in attempts:
		found = valid(candidate, region)
		if found:
			yield found
