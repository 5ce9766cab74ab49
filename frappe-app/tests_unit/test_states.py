import itertools
import unittest

from wap_bridge.wire import states
from wap_bridge.wire.states import may_follow


class MayFollow(unittest.TestCase):
	def test_goes_forward_and_never_back(self):
		order = ["Queued", "Sending", "Accepted", "Sent", "Delivered", "Read", "Played"]
		for before, after in itertools.combinations(order, 2):
			with self.subTest(f"{before} → {after}"):
				self.assertTrue(may_follow(before, after))
				self.assertFalse(may_follow(after, before))

	def test_ends_only_what_whatsapp_has_not_taken(self):
		for end in ("Failed", "Cancelled"):
			self.assertTrue(may_follow("Queued", end))
			self.assertTrue(may_follow("Accepted", end))
			self.assertFalse(may_follow("Sent", end))
			self.assertFalse(may_follow("Read", end))

	def test_lets_what_really_happened_win_over_an_end(self):
		self.assertTrue(may_follow("Failed", "Delivered"))
		self.assertTrue(may_follow("Cancelled", "Sent"))
		self.assertFalse(may_follow("Failed", "Accepted"))
		self.assertFalse(may_follow("Failed", "Cancelled"))

	def test_settles_the_uncertain(self):
		self.assertTrue(may_follow("Accepted", "Uncertain") or may_follow("Sending", "Uncertain"))
		for settled in ("Sent", "Delivered", "Failed", "Accepted"):
			self.assertTrue(may_follow("Uncertain", settled), settled)
		self.assertFalse(may_follow("Delivered", "Uncertain"))

	def test_leaves_incoming_messages_alone(self):
		self.assertFalse(may_follow("Received", "Read"))

	def test_ends_the_same_in_whatever_order_webhooks_come(self):
		for order in itertools.permutations(["Accepted", "Sent", "Delivered", "Read"]):
			status = "Accepted"
			for told in order:
				status = told if may_follow(status, told) else status
			self.assertEqual(status, "Read", order)

	def test_knows_only_words_of_its_own(self):
		self.assertLessEqual(set(states.FROM_GATEWAY.values()), set(states.RANK) | states.ENDS)
		self.assertFalse(may_follow("Queued", "Nonsense"))


if __name__ == "__main__":
	unittest.main()
