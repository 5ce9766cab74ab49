const MESSAGE_COLORS = {
	Queued: "orange",
	Sending: "orange",
	Accepted: "blue",
	Sent: "blue",
	Delivered: "cyan",
	Read: "green",
	Played: "green",
	Received: "green",
	Failed: "red",
	Uncertain: "yellow",
	Cancelled: "gray",
};

const INSTANCE_COLORS = {
	Created: "gray",
	Starting: "yellow",
	QR: "orange",
	Pairing: "orange",
	Authenticating: "yellow",
	Ready: "green",
	Disconnected: "red",
	"Logged Out": "red",
	Failed: "red",
	"Action Required": "red",
	Stopped: "gray",
	Missing: "gray",
};

const CAMPAIGN_COLORS = {
	Draft: "gray",
	Preparing: "yellow",
	Scheduled: "yellow",
	Running: "blue",
	Paused: "orange",
	Completed: "green",
	Cancelled: "gray",
	Failed: "red",
};

/** The indicator colour of a WapBridge Message's status. */
export const message_color = (status) => MESSAGE_COLORS[status] ?? "gray";

/** The indicator colour of a WapBridge Instance's status. */
export const instance_color = (status) => INSTANCE_COLORS[status] ?? "gray";

/** The indicator colour of a WapBridge Campaign's status. */
export const campaign_color = (status) => CAMPAIGN_COLORS[status] ?? "gray";
