import { createHash } from 'node:crypto';
import { runSimulator } from './app.ts';
import { createBubbles } from './bubbles.ts';
import { createCard } from './cards.ts';
import { createKit } from './kit.ts';
import { simulatorStyle } from './style.ts';

const parts = [createBubbles, createCard].map(String).join(', ');
const script = `(${runSimulator.toString()})((${createKit.toString()})(), ${parts});`.replaceAll(
  '</script',
  String.raw`<\/script`,
);
const sourceOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** The headers of the simulator page: only its own script runs, and it talks to its own server alone. */
export const simulatorPolicy = {
  'Content-Security-Policy': [
    "default-src 'none'",
    `script-src ${sourceOf(script)}`,
    // Faces are coloured by style attributes.
    "style-src 'unsafe-inline'",
    "img-src 'self' data:",
    "media-src 'self'",
    "connect-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
};

/** Gives the phone simulator: one page without any other file. */
export function simulatorPage(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Phone simulator</title>
<link rel="icon" href="data:,">
<style>${simulatorStyle}</style>
</head>
<body>
<header>
<h1>Phone simulator</h1><p>A stand-in for WhatsApp: nothing written here leaves this machine.</p>
<label>Messages are acknowledged <select id="acks">
<option value="3">up to read</option><option value="2">up to delivered</option>
<option value="1">by the server only</option><option value="0">by nobody</option>
</select></label>
</header>
<nav aria-label="Instances"><h2>Instances</h2><div id="instances"></div></nav>
<aside aria-label="Chats">
<h2>Chats</h2>
<form id="person" class="new">
<input id="person-phone" placeholder="Phone of a new person" inputmode="tel" aria-label="Phone of a new person">
<input id="person-name" placeholder="Name (says hello at once)" aria-label="Name of the new person">
<button>New person</button>
</form>
<div id="chats"></div>
</aside>
<main>
<div class="head" id="head"></div>
<div class="stream" id="stream" aria-live="polite"></div>
<form class="write" id="write">
<select id="as" aria-label="Write as" hidden></select>
<textarea id="text" rows="1" aria-label="Message"></textarea>
<label class="attach"><input id="file" type="file"><span id="file-name">Attach</span></label>
<label class="quiet"><input id="lid" type="checkbox"> as LID</label>
<label class="quiet" title="Write as the owner of the linked number, on the phone itself"><input id="own" type="checkbox"> as owner</label>
<button class="main" id="send">Send</button>
</form>
</main>
<div class="note" id="note" role="alert" hidden></div>
<script>${script}</script>
</body>
</html>
`;
}
