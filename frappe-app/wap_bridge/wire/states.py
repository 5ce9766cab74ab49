"""How far a message has come, in the site's words, and which step may follow which."""

# Further along is greater. Webhooks may come late, twice, or in another order.
RANK = {
	"Queued": 0,
	"Sending": 1,
	"Accepted": 2,
	"Uncertain": 2,
	"Sent": 3,
	"Delivered": 4,
	"Read": 5,
	"Played": 6,
}
ENDS = {"Failed", "Cancelled"}

# Gateway word → ours. The gateway's `queued` means that it has the message: here that is Accepted.
FROM_GATEWAY = {
	"scheduled": "Accepted",
	"queued": "Accepted",
	"sending": "Accepted",
	"accepted": "Accepted",
	"sent": "Sent",
	"delivered": "Delivered",
	"read": "Read",
	"played": "Played",
	"failed": "Failed",
	"cancelled": "Cancelled",
	"uncertain": "Uncertain",
	"expired": "Failed",
}

INSTANCE_FROM_GATEWAY = {
	"created": "Created",
	"starting": "Starting",
	"qr": "QR",
	"pairing": "Pairing",
	"authenticating": "Authenticating",
	"ready": "Ready",
	"disconnected": "Disconnected",
	"logged_out": "Logged Out",
	"failed": "Failed",
	"action_required": "Action Required",
	"stopped": "Stopped",
}

# A `draft` of the gateway is one that is being handed over: how far that is, only the site knows.
CAMPAIGN_FROM_GATEWAY = {
	"scheduled": "Scheduled",
	"running": "Running",
	"paused": "Paused",
	"completed": "Completed",
	"cancelled": "Cancelled",
	"failed": "Failed",
}

RECIPIENT_FROM_GATEWAY = {
	"queued": "Queued",
	"sending": "Sending",
	"accepted": "Accepted",
	"sent": "Sent",
	"delivered": "Delivered",
	"read": "Read",
	"opted_out": "Opted Out",
	"invalid_number": "Invalid Number",
	"duplicate": "Duplicate",
	"failed": "Failed",
	"uncertain": "Uncertain",
	"cancelled": "Cancelled",
}


def may_follow(current: str, new: str) -> bool:
	"""Tells whether a message that is `current` may become `new`.

	Steps go forward only. A failure or a cancellation ends what WhatsApp has not taken yet; a sign of life from WhatsApp
	(sent, delivered …) wins over every earlier end, since it is what really happened.
	"""
	if current == new or current == "Received":
		return False
	if new in ENDS:
		return current not in ENDS and RANK.get(current, 0) <= RANK["Accepted"]
	if new not in RANK:
		return False
	if current in ENDS:
		return RANK[new] >= RANK["Sent"]
	if new == "Uncertain":
		return RANK[current] < RANK["Sent"]
	return RANK[new] > RANK.get(current, -1) or (current == "Uncertain" and new == "Accepted")
