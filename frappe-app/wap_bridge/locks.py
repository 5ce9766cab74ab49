"""One at a time: what two workers, or two clicks, must not do at once."""

from contextlib import contextmanager

import frappe
from frappe.utils.synchronization import filelock


@contextmanager
def alone(what: str, wait_seconds: float):
	"""Lets one process of the site in; the next one waits, and then sees what this one has written. Commits before and after.

	:raises frappe.utils.file_lock.LockTimeoutError: when it takes longer than `wait_seconds` until the other one is done.
	"""
	with filelock(f"wapbridge_{what}", timeout=wait_seconds):
		# What the other one wrote is seen by a new transaction only.
		frappe.db.commit()
		yield
		frappe.db.commit()
