import { randomBytes } from 'node:crypto';

/** A stanza before it is put on the wire. */
interface SandboxNode {
  tag: string;
  attrs?: Record<string, string>;
  content?: SandboxNode[];
}

/** What a person (or a group's picture) does beside writing, and which linked number sees it. */
export type SandboxSignal = { to: string; from: string; as?: 'phone' | 'lid' } & (
  | { type: 'typing'; state: 'typing' | 'recording' | 'paused'; group?: string }
  | { type: 'presence'; isAvailable: boolean; lastSeenAt?: number }
  | { type: 'call'; isVideo?: boolean; platform?: string; callId?: string }
  | { type: 'call_end'; callId: string; reason?: string }
  | { type: 'picture'; pictureId: string | null; group?: string }
);

const seconds = (ms: number): string => String(Math.floor(ms / 1000));

/** The stanza of what a person does, and the id of a call that begins. */
export function signalNode(told: SandboxSignal, sender: string, now: number): { node: SandboxNode; callId?: string } {
  if (told.type === 'typing') return { node: typingNode({ chat: told.group ?? sender, sender, state: told.state }) };
  if (told.type === 'presence') return { node: presenceNode({ ...told, sender }) };
  if (told.type === 'picture') {
    const { pictureId, group } = told;
    return { node: pictureNode({ chat: group ?? sender, author: sender, pictureId, now }) };
  }
  const callId = told.callId ?? newCallId();
  if (told.type === 'call_end') return { node: callEndNode({ ...told, sender, now }) };
  const { isVideo = false, platform = 'android' } = told;
  return { node: callNode({ callId, sender, isVideo, platform, now }), callId };
}

/** The stanza that says that somebody types, records, or stopped. `chat` differs from `sender` in groups. */
function typingNode(told: { chat: string; sender: string; state: 'typing' | 'recording' | 'paused' }): SandboxNode {
  const { chat, sender, state } = told;
  const media = state === 'recording' ? { attrs: { media: 'audio' } } : {};
  return {
    tag: 'chatstate',
    attrs: { from: chat, ...(chat === sender ? {} : { participant: sender }) },
    content: [{ tag: state === 'paused' ? 'paused' : 'composing', ...media }],
  };
}

/** The stanza that says that a watched contact came online or went. */
function presenceNode(told: { sender: string; isAvailable: boolean; lastSeenAt?: number }): SandboxNode {
  const { sender, isAvailable, lastSeenAt } = told;
  const last = lastSeenAt === undefined ? 'deny' : seconds(lastSeenAt);
  return { tag: 'presence', attrs: { from: sender, ...(isAvailable ? {} : { type: 'unavailable', last }) } };
}

/** The stanza of a ringing call. */
function callNode(told: {
  callId: string;
  sender: string;
  isVideo: boolean;
  platform: string;
  now: number;
}): SandboxNode {
  const { callId, sender, isVideo, platform, now } = told;
  const media: SandboxNode[] = [{ tag: 'audio' }, ...(isVideo ? [{ tag: 'video' }] : [])];
  return {
    tag: 'call',
    attrs: { from: sender, id: newCallId(), t: seconds(now), platform, version: '2.25.1' },
    content: [{ tag: 'offer', attrs: { 'call-id': callId, 'call-creator': sender }, content: media }],
  };
}

/** The stanza that ends a call; without a reason the caller has hung up. */
function callEndNode(told: { callId: string; sender: string; reason?: string; now: number }): SandboxNode {
  const { callId, sender, reason, now } = told;
  const attrs = { 'call-id': callId, 'call-creator': sender, ...(reason === undefined ? {} : { reason }) };
  return {
    tag: 'call',
    attrs: { from: sender, id: newCallId(), t: seconds(now) },
    content: [{ tag: 'terminate', attrs }],
  };
}

/** The stanza that says that the picture of a person or group was set, or removed without an id. */
function pictureNode(told: { chat: string; author: string; pictureId: string | null; now: number }): SandboxNode {
  const { chat, author, pictureId, now } = told;
  const attrs = { jid: chat, author, ...(pictureId === null ? {} : { id: pictureId, hash: 'x' }) };
  return {
    tag: 'notification',
    attrs: { from: chat, type: 'picture', id: newCallId(), t: seconds(now) },
    content: [{ tag: pictureId === null ? 'delete' : 'set', attrs }],
  };
}

/** The stanzas before and after what waited for a device that was away. */
export function offlinePreviewNode(counts: { messages: number; receipts: number; notifications: number }): SandboxNode {
  const { messages, receipts, notifications } = counts;
  const attrs = {
    count: String(messages + receipts + notifications),
    message: String(messages),
    receipt: String(receipts),
    notification: String(notifications),
    appdata: '0',
  };
  return { tag: 'ib', attrs: { from: 's.whatsapp.net' }, content: [{ tag: 'offline_preview', attrs }] };
}

/** The stanza that ends offline delivery. */
export function offlineDoneNode(count: number): SandboxNode {
  return {
    tag: 'ib',
    attrs: { from: 's.whatsapp.net' },
    content: [{ tag: 'offline', attrs: { count: String(count) } }],
  };
}

/** The stanza by which the server asks a page that is being linked for a passkey. */
export function passkeyRequestNode(): SandboxNode {
  return { tag: 'notification', attrs: { from: 's.whatsapp.net', type: 'passkey_prologue_request', id: newCallId() } };
}

/** A call id as phones make them. */
function newCallId(): string {
  return randomBytes(16).toString('hex').toUpperCase();
}
