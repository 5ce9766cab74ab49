// `npm ci` must not download a browser: `src/whatsapp/chromium/` finds or installs one when a command needs it.
module.exports = { skipDownload: true };
