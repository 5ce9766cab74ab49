"""HTML as Frappe's editors and notifications make it → WhatsApp's own markup."""

import html
import re
from html.parser import HTMLParser

_LOOKS_LIKE_HTML = re.compile(
	r"</?(?:p|br|b|strong|i|em|s|del|strike|u|code|pre|a|li|ul|ol|div|span|h[1-6]|table|tr|td|th|tbody|thead|hr|blockquote)(?:\s[^<>]*)?/?>",
	re.I,
)
_ENTITY = re.compile(r"&(?:nbsp|amp|lt|gt|quot|#39|#x27|#160);")
_MARK = {
	"b": "*",
	"strong": "*",
	"i": "_",
	"em": "_",
	"s": "~",
	"del": "~",
	"strike": "~",
	"code": "`",
	"h1": "*",
	"h2": "*",
}
_MARK |= {f"h{level}": "*" for level in range(3, 7)}
_BLOCK = {
	"p",
	"div",
	"ul",
	"ol",
	"table",
	"tbody",
	"thead",
	"blockquote",
	"pre",
	*(f"h{level}" for level in range(1, 7)),
}
_HIDDEN = {"script", "style", "head", "title"}


def to_whatsapp(text: str | None) -> str:
	"""Returns the text with HTML turned into WhatsApp markup; text that is no HTML stays as it is, but for its entities."""
	value = str(text or "")
	if _LOOKS_LIKE_HTML.search(value):
		parser = _Parser()
		parser.feed(value)
		parser.close()
		return parser.result()
	return html.unescape(value).replace("\xa0", " ").strip() if _ENTITY.search(value) else value.strip()


class _Parser(HTMLParser):
	def __init__(self):
		super().__init__(convert_charrefs=True)
		self.out: list[str] = []
		self.lists: list[int | None] = []
		self.links: list[tuple[str, int]] = []
		self.marks: list[tuple[str, int]] = []
		self.hidden = 0
		self.pre = 0

	def result(self) -> str:
		text = "".join(self.out).replace("\xa0", " ")
		text = "\n".join(line.rstrip() for line in text.split("\n"))
		return re.sub(r"\n{3,}", "\n\n", text).strip()

	def handle_starttag(self, tag, attrs):
		if tag in _HIDDEN:
			self.hidden += 1
		elif tag == "br":
			self.out.append("\n")
		elif tag == "hr":
			self._line("---")
			self.out.append("\n")
		elif tag in ("ul", "ol"):
			self.lists.append(0 if tag == "ol" else None)
			self._break()
		elif tag == "li":
			self._break()
			if self.lists and self.lists[-1] is not None:
				self.lists[-1] += 1
				self.out.append(f"{self.lists[-1]}. ")
			else:
				self.out.append("- ")
		elif tag == "tr":
			self._break()
		elif tag == "pre":
			self.pre += 1
			self._line("```\n")
		elif tag in _BLOCK:
			self._break()
		if tag in ("td", "th") and self.out and not self.out[-1].endswith(("\n", " ")):
			self.out.append("  ")
		if tag == "a":
			self.links.append((dict(attrs).get("href") or "", len(self.out)))
		if tag in _MARK and not self.pre:
			self.marks.append((tag, len(self.out)))
			self.out.append("")

	def handle_endtag(self, tag):
		if tag in _HIDDEN:
			self.hidden = max(0, self.hidden - 1)
		elif tag in ("ul", "ol"):
			if self.lists:
				self.lists.pop()
			self._break()
		elif tag == "pre":
			self.pre = max(0, self.pre - 1)
			self._line("```")
			self.out.append("\n")
		if tag == "a" and self.links:
			self._close_link(*self.links.pop())
		if tag in _MARK:
			self._close_mark(tag)
		if tag == "p":
			self._break()
			self.out.append("\n")
		elif tag in _BLOCK and tag not in ("ul", "ol", "pre"):
			self._break()

	def handle_data(self, data):
		if self.hidden:
			return
		if self.pre:
			self.out.append(data)
			return
		text = re.sub(r"[ \t\r\n]+", " ", data)
		if not self.out or "".join(self.out[-2:]).endswith("\n"):
			text = text.lstrip(" ")
		if text:
			self.out.append(text)

	def _break(self):
		if self.out and not "".join(self.out[-2:]).endswith("\n"):
			self.out.append("\n")

	def _line(self, text):
		self._break()
		self.out.append(text)

	def _close_mark(self, tag):
		"""WhatsApp wants its marks close to the words: `* a *` is not bold."""
		at = next((i for i in range(len(self.marks) - 1, -1, -1) if self.marks[i][0] == tag), None)
		if at is None:
			return
		_, start = self.marks[at]
		del self.marks[at:]
		inner = "".join(self.out[start:])
		words = inner.strip()
		mark = _MARK[tag]
		inside_same = any(_MARK[outer] == mark for outer, _ in self.marks)
		if words and not inside_same:
			lead, tail = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
			marked = "\n".join(f"{mark}{line.strip()}{mark}" if line.strip() else line for line in words.split("\n"))
			self.out[start:] = [lead, marked, tail]

	def _close_link(self, href, start):
		words = "".join(self.out[start:]).strip()
		href = href.strip()
		address = re.sub(r"^(?:mailto|tel):", "", href)
		if href.lower().startswith(("http://", "https://", "mailto:", "tel:")) and words not in (href, address):
			self.out.append(f" ({address})" if words else address)
