"""Replays the cases of `contract/` against a stub; the gateway's own tests send the same requests to the real one."""

import json
import re
import unittest
from pathlib import Path

from wap_bridge.gateway import Gateway
from wap_bridge.tests.stub import StubGateway
from wap_bridge.transport import GatewayError

FOLDER = Path(__file__).parent.parent / "contract"
EVENTS = json.loads((FOLDER / "events.json").read_text())
IDS = {"instance": "INST-01-0000142", "message": "true_255755123456@c.us_3EB0C767D26A1D5F2E5A49"}
IDS |= {"campaign": "WAP-CAM-0001", "webhook": "01KA0000000000000000000000", "second": "INST-11-0000002"}


def filled(value):
	"""Returns a part of a case with ids in place of `{{names}}`; names that are none of ours stay, as texts for the gateway."""
	if isinstance(value, dict):
		return {key: filled(entry) for key, entry in value.items()}
	if isinstance(value, list):
		return [filled(entry) for entry in value]
	if value == "@events":
		return EVENTS
	if isinstance(value, str) and value.startswith("bytes:"):
		return value.removeprefix("bytes:").encode()
	if isinstance(value, str):
		return re.sub(r"\{\{(\w+)\}\}", lambda found: IDS.get(found[1], found[0]), value)
	return value


class Contract(unittest.TestCase):
	def setUp(self):
		self.stub = StubGateway()
		self.addCleanup(self.stub.close)

	def replay(self, case):
		case = filled(case)
		key, secret = case.get("credentials", ["test-key", "test-secret"])
		gateway = Gateway(self.stub.url, key, secret, timeout=5, sleep=lambda seconds: None)
		self.stub.requests.clear()
		self.stub.answers = {"*": (case["answer"]["status"], case["answer"]["body"])}
		method = getattr(gateway, case["call"]["method"])
		if "raises" in case:
			with self.assertRaises(GatewayError) as caught:
				method(**case["call"]["arguments"])
			error = caught.exception
			self.assertEqual({name: getattr(error, name) for name in case["raises"]}, case["raises"])
		else:
			self.assertEqual(method(**case["call"]["arguments"]), case["returns"])
		request = self.stub.requests[0]
		self.assertEqual((request.method, request.path), ("POST", case["request"]["path"]))
		self.assertEqual(request.json, case["request"]["body"])
		self.assertEqual(request.headers["Authorization"], f"token {key}:{secret}")
		for name, value in case["request"].get("headers", {}).items():
			self.assertEqual(request.headers[name], value)

	def test_cases(self):
		files = sorted(path for path in FOLDER.glob("*.json") if path.name != "events.json")
		self.assertGreaterEqual(len(files), 4)
		for file in files:
			for case in json.loads(file.read_text()):
				with self.subTest(f"{file.stem}: {case['name']}"):
					self.replay(case)


if __name__ == "__main__":
	unittest.main()
