/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { PageRecord, PageSignal } from './records.ts';

/**
 * Runs in the page from its first moment on, before it is linked: looks on as stanzas are decoded, and tells those of which
 * WhatsApp Web's models say nothing or too little: typing, presence, calls, pictures, offline delivery, the request for a passkey, the
 * end of the line because another place goes on with this login.
 * It changes nothing, cannot break the decoding, and passes over all others after one look at their tag. What tells the state of the
 * same thing replaces what waits; past `most` waiting ones the rest is counted and dropped.
 *
 * A decoded stanza is `{tag, attrs, content}` with addresses as WapJid objects and children as an array (WAWap of WhatsApp Web);
 * the stanzas themselves are as whatsmeow reads them (presence.go, call.go, notification.go, connectionevents.go).
 */
export function tap(page: any, bindingName: string): void {
  if (page.top !== page || page.wapbridgeTap) return;
  /**
   * Pages whose line runs in a worker hand what comes by itself on to the window, which decodes it once more (WAWebStartBackendWorker,
   * `mainthread_comms`). On one that did not, nothing but answers would be seen here, and that is said to be missing.
   */
  const noticed: { seesStanzas?: true } = (page.wapbridgeTap = {});
  const most = 500;
  const pauseMs = 100;
  const lookMs = 20;
  const lookForMs = 120_000;
  let waiting = new Map<string, PageSignal>();
  let dropped = 0;
  let isFlushing = false;

  function tell(key: string, signal: PageSignal): void {
    if (waiting.size >= most && !waiting.has(key)) dropped += 1;
    else {
      waiting.delete(key);
      waiting.set(key, signal);
    }
    if (isFlushing) return;
    isFlushing = true;
    setTimeout(flush, pauseMs);
  }

  function flush(): void {
    isFlushing = false;
    const records: PageRecord[] = [...waiting.values()].map((signal) => ({
      kind: 'signal',
      signal: withPhone(signal),
    }));
    if (dropped > 0) records.push({ kind: 'signals_dropped', count: dropped });
    waiting = new Map();
    dropped = 0;
    page[bindingName](JSON.stringify(records));
  }

  /** The phone behind a LID, where the page knows it; before it is linked there is nobody to ask. */
  function withPhone(signal: PageSignal): PageSignal {
    if (!('sender' in signal) || !signal.sender.endsWith('@lid') || !page.wapbridge) return signal;
    try {
      const phone = page.wapbridge.alternate(signal.sender.replace(/:\d+@/, '@'));
      return phone ? { ...signal, senderPhone: phone.slice(0, phone.indexOf('@')) } : signal;
    } catch {
      return signal;
    }
  }

  const address = (jid: any): string => String(jid ?? '');
  const children = (node: any): any[] => (Array.isArray(node.content) ? node.content : []);
  const count = (value: any): number => Number(value ?? 0) || 0;
  const now = (): number => Math.floor(Date.now() / 1000);

  /** What is read from a stanza, by its tag. */
  const readers: Record<string, (attrs: any, node: any) => void> = {
    chatstate(attrs, node) {
      const [state] = children(node);
      if (state?.tag !== 'composing' && state?.tag !== 'paused') return;
      const chat = address(attrs.from);
      const sender = address(attrs.participant ?? attrs.from);
      const mode = state.tag === 'paused' ? 'paused' : state.attrs?.media === 'audio' ? 'recording' : 'typing';
      tell(`typing ${chat} ${sender}`, { type: 'typing', chat, sender, senderPhone: null, state: mode });
    },

    presence(attrs) {
      const sender = address(attrs.from);
      if (!sender || (attrs.type !== undefined && attrs.type !== 'available' && attrs.type !== 'unavailable')) return;
      const isAvailable = attrs.type !== 'unavailable';
      const lastSeen = /^\d+$/.test(String(attrs.last)) ? Number(attrs.last) : null;
      tell(`presence ${sender}`, { type: 'presence', sender, senderPhone: null, isAvailable, lastSeen });
    },

    call(attrs, node) {
      const [child] = children(node);
      const told = child?.attrs ?? {};
      const callId = address(told['call-id']);
      const sender = address(told['call-creator'] ?? attrs.from);
      const t = count(attrs.t) || now();
      if (!callId) return;
      if (child.tag === 'offer' || child.tag === 'offer_notice') {
        const isGroup = told['group-jid'] !== undefined || told.type === 'group';
        const isVideo = told.media === 'video' || children(child).some(({ tag }) => tag === 'video');
        const group = isGroup ? address(told['group-jid']) || null : null;
        const platform = attrs.platform === undefined ? null : address(attrs.platform);
        tell(`offer ${callId}`, {
          type: 'call_offered',
          callId,
          sender,
          senderPhone: null,
          isVideo,
          isGroup,
          group,
          platform,
          t,
        });
      }
      if (child.tag === 'terminate' || child.tag === 'reject') {
        const reason = child.tag === 'reject' ? 'reject' : told.reason === undefined ? null : address(told.reason);
        tell(`end ${callId}`, { type: 'call_ended', callId, sender, senderPhone: null, reason, t });
      }
    },

    notification(attrs, node) {
      if (
        children(node).some(({ tag }) => tag === 'passkey_request_options') ||
        attrs.type === 'passkey_prologue_request'
      )
        page.wapbridgePasskey?.noticed();
      if (attrs.type !== 'picture') return;
      for (const { tag, attrs: told = {} } of children(node)) {
        if (tag !== 'set' && tag !== 'add' && tag !== 'delete') continue;
        const chat = address(told.jid ?? attrs.from);
        const pictureId = tag === 'delete' ? null : address(told.id) || null;
        tell(`picture ${chat}`, {
          type: 'picture',
          chat,
          author: address(told.author) || null,
          pictureId,
          t: count(attrs.t) || now(),
        });
      }
    },

    'stream:error'(_attrs, node) {
      if (!children(node).some(({ tag, attrs }) => tag === 'conflict' && attrs?.type === 'replaced')) return;
      page.wapbridgeReplaced = true;
      page[bindingName](JSON.stringify([{ kind: 'replaced' } satisfies PageRecord]));
    },

    ib(_attrs, node) {
      for (const { tag, attrs: told = {} } of children(node)) {
        if (tag === 'offline_preview')
          tell('offline_preview', {
            type: 'offline_preview',
            total: count(told.count),
            messages: count(told.message),
            notifications: count(told.notification),
            receipts: count(told.receipt),
            appData: count(told.appdata),
          });
        if (tag === 'offline') tell('offline', { type: 'offline_done', total: count(told.count) });
      }
    },
  };

  function see(node: any): void {
    if (node?.tag !== 'iq') noticed.seesStanzas = true;
    const read = readers[node?.tag];
    if (!read) return;
    try {
      read(node.attrs ?? {}, node);
    } catch (error) {
      console.error(error);
    }
  }

  function install(): boolean {
    let wap: any;
    try {
      wap = page.require('WAWap');
    } catch {
      return false;
    }
    const original = wap?.decodeStanza;
    if (typeof original !== 'function') return false;
    wap.decodeStanza = function (this: unknown, ...args: unknown[]) {
      const decoded = original.apply(this, args);
      Promise.resolve(decoded).then(see, () => undefined);
      return decoded;
    };
    return true;
  }

  /** The module comes with the page's scripts; nothing is received before it is there. */
  const until = Date.now() + lookForMs;
  const timer = setInterval(look, lookMs);
  function look(): void {
    if (install() || Date.now() > until) {
      clearInterval(timer);
      page.document.removeEventListener('DOMContentLoaded', look);
    }
  }
  page.document.addEventListener('DOMContentLoaded', look);
}

/** Returns the script that starts the tap in every document of the page. */
export function tapScript(bindingName: string): string {
  return `(${tap.toString()})(window, ${JSON.stringify(bindingName)});`;
}
