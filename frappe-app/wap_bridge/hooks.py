"""What Frappe is told of this app. Doctypes are always named: no hook here runs on every save."""

from frappe import __version__ as _frappe_version

_is_16 = int(_frappe_version.split(".", 1)[0]) >= 16

app_name = "wap_bridge"
app_title = "WapBridge"
app_publisher = "WapBridge Contributors"
app_description = "WhatsApp for Frappe and ERPNext through a WapBridge gateway"
app_email = "hello@wapbridge.example"
app_license = "mit"

# Whitelisted methods check the types of their arguments.
require_type_annotated_api_methods = True

after_install = "wap_bridge.install.after_install"
after_migrate = ["wap_bridge.install.after_migrate"]
before_uninstall = "wap_bridge.uninstall.before_uninstall"
after_uninstall = "wap_bridge.uninstall.after_uninstall"

# Frappe 16 stacks mixins of several apps; before it the last override wins, so ours stands on the one before it.
if _is_16:
	extend_doctype_class = {"Notification": ["wap_bridge.overrides.notification.WapBridgeNotificationMixin"]}
else:
	override_doctype_class = {"Notification": "wap_bridge.overrides.notification.WapBridgeNotification"}

# Frappe 16 asks these in place of SMS Settings; older versions do not know them.
send_sms = ["wap_bridge.sms.send_sms"]
send_token_via_sms = ["wap_bridge.sms.send_token_via_sms"]

doc_events = {
	"Contact": {
		"on_update": "wap_bridge.directory.on_contact_update",
		"on_trash": "wap_bridge.directory.on_contact_trash",
	},
}

scheduler_events = {
	"cron": {
		"* * * * *": ["wap_bridge.tasks.flush_outbox"],
		"*/2 * * * *": ["wap_bridge.tasks.sync_campaigns"],
		"*/10 * * * *": ["wap_bridge.tasks.reconcile_statuses", "wap_bridge.tasks.sync_instances"],
	},
	"daily_long": ["wap_bridge.tasks.clean_up"],
}

permission_query_conditions = {
	"WapBridge Message": "wap_bridge.permissions.message_query",
}
has_permission = {
	"WapBridge Message": "wap_bridge.permissions.has_message_permission",
}

additional_timeline_content = {"*": ["wap_bridge.timeline.messages_of"]}

default_log_clearing_doctypes = {"WapBridge Webhook Event": 30}

# Messages keep their history when the document they belong to goes.
ignore_links_on_delete = [
	"WapBridge Message",
	"WapBridge Contact",
	"WapBridge Campaign Recipient",
	"WapBridge Webhook Event",
]


# The desk
extend_bootinfo = "wap_bridge.boot.extend_bootinfo"
app_include_js = "wap_bridge.bundle.js"
app_include_css = "wap_bridge.bundle.css"
doctype_js = {"Notification": "public/js/notification.js"}
add_to_apps_screen = [
	{
		"name": "wap_bridge",
		"logo": "/assets/wap_bridge/images/logo.svg",
		"title": "WapBridge",
		"route": "/desk/wapbridge" if _is_16 else "/app/wapbridge",
		"has_permission": "wap_bridge.permissions.may_open",
	}
]
