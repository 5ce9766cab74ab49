// `npm ci` must not download a browser: `src/browser/` finds or installs one when a command needs it.
module.exports = { skipDownload: true };
