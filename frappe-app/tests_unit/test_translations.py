import csv
import re
import unittest
from pathlib import Path

APP = Path(__file__).parent.parent / "wap_bridge"
LANGUAGES = ("ar", "es", "fr", "hi", "pt", "sw")
PLACEHOLDER = re.compile(r"\{\d\}")


def rows(language):
	with (APP / "translations" / f"{language}.csv").open(encoding="utf-8", newline="") as file:
		return [tuple(row) for row in csv.reader(file)]


def sources():
	"""Everything that the app's code and its doctypes say, as one text."""
	files = [path for kind in ("*.py", "*.js", "*.json") for path in APP.rglob(kind) if "dist" not in path.parts]
	return "\n".join(path.read_text(encoding="utf-8") for path in files).replace('\\"', '"')


class Translations(unittest.TestCase):
	def test_every_language_translates_the_same_sentences_once(self):
		expected = [source for source, _ in rows("fr")]
		self.assertEqual(len(expected), len(set(expected)))
		self.assertGreater(len(expected), 100)
		for language in LANGUAGES:
			self.assertEqual([source for source, _ in rows(language)], expected, language)

	def test_no_translation_loses_or_adds_a_placeholder_or_markup(self):
		for language in LANGUAGES:
			for source, translated in rows(language):
				self.assertTrue(translated.strip(), (language, source))
				self.assertEqual(
					sorted(PLACEHOLDER.findall(source)), sorted(PLACEHOLDER.findall(translated)), (language, source)
				)
				self.assertNotRegex(translated, "[<>]", (language, source))

	def test_what_is_translated_is_still_said(self):
		text = sources()
		# A state stands in a list of options, so its line is looked for too.
		self.assertEqual([source for source, _ in rows("fr") if source not in text], [])
