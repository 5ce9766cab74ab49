"""What the app asks of the gateway, method by method: its one client."""

import base64

from wap_bridge.transport import Transport, strange

API = "/api/method/wap_bridge.api."
CONNECTION_CHECK = "/api/method/frappe.auth.get_logged_user"


class Gateway:
	"""Asks one gateway with one token. Every method raises GatewayError for what is not a good answer."""

	def __init__(self, url, api_key, api_secret, **options):
		self._transport = Transport(url, api_key, api_secret, **options)

	def __repr__(self):
		return f"<Gateway {self.base}>"

	@property
	def base(self):
		"""The gateway's address, without the API's path."""
		return self._transport.base

	def check(self):
		"""Returns whose token it is: the account's id."""
		return self._transport.ask(CONNECTION_CHECK, {}, again=True).get("message")

	def version(self):
		"""Returns the gateway's version."""
		return self._transport.ask("/api/method/version", {}, again=True).get("message")

	def send(self, *, key, **message):
		"""Sends a text or a file: `instance_id`, `to_number`, `message` or `media`, `mime_type`, `filename`, `caption`.

		The same `key` never sends twice. Does not wait for WhatsApp.
		Returns `{id, status}`.
		"""
		media = message.pop("media", None)
		if media is not None:
			message["media_data"] = base64.b64encode(media).decode("ascii")
		answer = self.call("whatsapp.send_api_message", {**message, "wait": 0}, key=key)
		service = answer.get("service")
		if not isinstance(service, dict) or not isinstance(service.get("id"), str):
			raise strange(None)
		return {"id": service["id"], "status": answer.get("status")}

	def message_status(self, message_id):
		return self.call("whatsapp.message_status", {"id": message_id})

	def cancel_message(self, message_id):
		return self.call("whatsapp.cancel_message", {"id": message_id})

	def check_numbers(self, numbers, **options):
		return self.call("whatsapp.check_numbers", {"numbers": numbers, **options})

	def list_instances(self):
		instances = self.call("instances.list_instances").get("instances")
		return [row for row in instances or [] if isinstance(row, dict) and isinstance(row.get("instance_id"), str)]

	def instance(self, action, instance_id, **options):
		"""Asks `instance_status`, `get_qr`, `connect`, `disconnect`, `logout`, `request_pairing_code` or `delete_instance`."""
		return self.call(f"instances.{action}", {"instance_id": instance_id, **options})

	def create_instance(self, **options):
		return self.call("instances.create_instance", options, again=False)

	def campaign(self, action, campaign, *, key=None, **options):
		"""Asks one of `wap_bridge.api.campaigns` about a campaign. Adding recipients needs a `key`."""
		return self.call(f"campaigns.{action}", {"campaign": campaign, **options}, key=key)

	def create_campaign(self, *, key, **options):
		return self.call("campaigns.create_and_start_campaign", options, key=key)

	def settings(self, action, *, again=True, **options):
		"""Asks one of `wap_bridge.api.settings`."""
		return self.call(f"settings.{action}", options, again=again)

	def call(self, method, params=None, *, key=None, again=True):
		"""Returns the gateway's answer, an object, to `wap_bridge.api.<method>`.

		With `again`, a call that may have been lost on the way is made again, so it must be harmless twice: by itself, or by a `key`.

		:raises GatewayError: for everything that is not a good answer.
		"""
		answer = self._transport.ask(API + method, params or {}, key=key, again=again)
		if "ok" not in answer and isinstance(answer.get("message"), dict):
			answer = answer["message"]
		return answer

	def fetch_media(self, url, max_bytes):
		"""Returns the content and type of a file that a webhook named, from this gateway and nowhere else."""
		return self._transport.fetch(url, max_bytes)
