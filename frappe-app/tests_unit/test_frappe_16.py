"""What Frappe 16 has no more, has changed, or warns of is used nowhere: read from the sources, as it is not run here.

From Frappe's page "Migrating to version 16" and its query engine: functions in `fields` are objects and no texts, `frappe.in_test`
is no flag, paging is by `limit`, the desk is at /desk, filters of number cards have four parts, hooks of a document do not commit,
lists are sorted by `creation` unless the doctype says otherwise, and permission hooks answer True or False.
"""

import ast
import json
import re
import unittest
from pathlib import Path

APP = Path(__file__).parent.parent / "wap_bridge"
CODE = [path for path in sorted(APP.rglob("*.py")) if "tests" not in path.parts]
TEXTS = [*CODE, *sorted((APP / "public" / "js").rglob("*.js")), *sorted((APP / "wap_bridge").rglob("*.js"))]
GONE = {
	"a function in a text of fields": r"""["'](?:count|sum|avg|min|max|distinct|ifnull|coalesce)\s*\(""",
	"flags.in_test": r"flags\.in_test\b",
	"frappe.cache as a function": r"\bfrappe\.cache\(",
	"the old name of limit": r"\blimit_page_length\b|\bpage_length\b",
	"an address of the desk": r"""^(?!.*_is_16).*["'/]app/""",
	"a moved test class at the top": r"^from frappe\.tests\.utils import",
	"a value of a Single by get_value": r"db\.get_value\(\s*(?:SETTINGS|connection\.SETTINGS|[\"']WapBridge Settings)",
	"set_value for a Single": r"db\.set_value\(\s*(?:SETTINGS|connection\.SETTINGS|[\"']WapBridge Settings)",
}
# What runs inside the save of a document, of this app or of another.
IN_A_SAVE = ("directory.on_contact_update", "directory.index", "directory.remember", "outbox.put", "notifications.put")


def functions(module):
	tree = ast.parse((APP / f"{module}.py").read_text(encoding="utf-8"))
	return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


class Frappe16(unittest.TestCase):
	def test_nothing_is_used_that_is_gone(self):
		for what, pattern in GONE.items():
			for path in TEXTS:
				found = re.search(pattern, path.read_text(encoding="utf-8"), re.M | re.I)
				self.assertIsNone(found, f"{path.relative_to(APP)} uses {what}: {found and found[0]}")

	def test_no_document_commits_in_its_hooks(self):
		controllers = [path for path in CODE if path.parts[-3] == "doctype" or path.parts[-2] == "overrides"]
		self.assertGreater(len(controllers), 8)
		for path in controllers:
			self.assertNotIn("db.commit(", path.read_text(encoding="utf-8"), path.name)
		for name in IN_A_SAVE:
			module, function = name.split(".")
			self.assertNotIn("db.commit(", ast.unparse(functions(module)[function]), name)

	def test_every_doctype_says_how_it_is_sorted(self):
		for path in sorted((APP / "wap_bridge" / "doctype").rglob("*.json")):
			doctype = json.loads(path.read_text(encoding="utf-8"))
			if not doctype.get("issingle"):
				self.assertTrue(doctype.get("sort_field") and doctype.get("sort_order"), path.name)

	def test_filters_of_number_cards_have_four_parts(self):
		cards = sorted((APP / "wap_bridge" / "number_card").rglob("*.json"))
		self.assertTrue(cards)
		for path in cards:
			for condition in json.loads(json.loads(path.read_text(encoding="utf-8"))["filters_json"]):
				self.assertEqual(len(condition), 4, path.name)

	def test_permission_hooks_answer_true_or_false(self):
		hooks = functions("permissions")
		for name in ("has_message_permission", "may_open"):
			self.assertEqual(ast.unparse(hooks[name].returns), "bool", name)
			answers = [node for node in ast.walk(hooks[name]) if isinstance(node, ast.Return)]
			for answer in answers:
				self.assertRegex(ast.unparse(answer.value), r"^(True|False|bool\()", name)

	def test_whitelisted_methods_name_the_types_of_all_arguments(self):
		count = 0
		for path in sorted((APP / "api").glob("*.py")):
			for node in functions(f"api/{path.stem}").values():
				if any("whitelist" in ast.unparse(decorator) for decorator in node.decorator_list):
					count += 1
					for argument in (*node.args.args, *node.args.kwonlyargs):
						self.assertIsNotNone(argument.annotation, f"{path.stem}.{node.name}: {argument.arg}")
		self.assertGreater(count, 40)


if __name__ == "__main__":
	unittest.main()
