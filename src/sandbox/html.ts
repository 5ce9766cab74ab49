import { defineBlocking } from './page/blocking.ts';
import { defineBroadcasts } from './page/broadcasts.ts';
import { defineChanges } from './page/changes.ts';
import { defineChats } from './page/chats.ts';
import { defineConnection } from './page/connection.ts';
import { defineContacts } from './page/contacts.ts';
import { defineDatabase } from './page/database.ts';
import { defineGroups } from './page/groups.ts';
import { defineKeys } from './page/keys.ts';
import { defineLogin } from './page/login.ts';
import { defineMedia } from './page/media.ts';
import { defineMessages } from './page/messages.ts';
import { defineModels } from './page/models.ts';
import { defineNotices } from './page/notices.ts';
import type { PageConfig, SandboxPage } from './page/page.ts';
import { definePasskey } from './page/passkey.ts';
import { definePieces } from './page/pieces.ts';
import { defineSending } from './page/sending.ts';
import { defineSocket } from './page/socket.ts';
import { defineStanzas } from './page/stanzas.ts';
import { defineWids } from './page/wids.ts';
import { defineWorkers } from './page/workers.ts';

/** The parts in the order they run: a part may use what those before it put into the page. */
const PARTS: readonly ((page: SandboxPage) => void)[] = [
  defineModels,
  defineWids,
  defineDatabase,
  defineConnection,
  defineLogin,
  defineKeys,
  defineContacts,
  defineChats,
  defineMessages,
  defineChanges,
  defineSending,
  defineMedia,
  definePieces,
  defineGroups,
  defineBlocking,
  defineBroadcasts,
  defineWorkers,
  defineSocket,
  defineNotices,
  defineStanzas,
  definePasskey,
];

/**
 * What `window.Debug.VERSION` says. Not the cache's file name: the library compares it digit by digit, which a word in it breaks.
 */
const DEBUG_VERSION = '2.3000.0';

/** Makes the page's module table, which its parts fill. Runs in the page. */
function openPage(config: PageConfig): SandboxPage {
  const modules = new Map<string, unknown>();
  const page = {
    config,
    stanzas: {},
    wap: {},
    define: (name: string, exports: unknown) => void modules.set(name, exports),
    require(name: string) {
      if (!modules.has(name)) throw new Error(`Requiring unknown module "${name}"`);
      return modules.get(name);
    },
  } as unknown as SandboxPage;
  const askedFor = (name: string): unknown =>
    config.drift.includes(`module-gone:${name}`) ? page.require(`${name} (gone)`) : page.require(name);
  Object.assign(window, { require: askedFor, Debug: { VERSION: config.version } });
  return page;
}

/** Builds the page: one HTML file whose script is the source text of its parts. */
export function buildPage(config: Omit<PageConfig, 'version'>): string {
  const settings = JSON.stringify({ version: DEBUG_VERSION, ...config }).replaceAll('<', String.raw`\u003c`);
  const parts = PARTS.map((part) => `(${part.toString()})(page);`).join('\n');
  const script = `(() => {\nconst page = (${openPage.toString()})(${settings});\n${parts}\n})();`;
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><title>WhatsApp (sandbox)</title><link rel="icon" href="data:,"></head>',
    '<body><div id="app"><h1>WhatsApp sandbox</h1></div>',
    `<script>\n${script.replaceAll('</script', String.raw`<\/script`)}\n</script>`,
    '</body></html>',
    '',
  ].join('\n');
}
