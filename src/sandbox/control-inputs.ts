import { ControlError, type Fields, optionalText, text } from './control-request.ts';
import type { SandboxMedia } from './network.ts';
import type { SandboxSignal } from './signals.ts';

/** Reads what a person does: `type` is `typing`, `recording`, `paused`, `online`, `offline`, `call`, `call_end` or `picture`. */
export function toSignal(fields: Fields, to: string): SandboxSignal {
  const who = { to, from: text(fields, 'from'), as: fields['lid'] === true ? ('lid' as const) : ('phone' as const) };
  const given = optionalText(fields, 'group');
  const group = given === undefined ? {} : { group: given };
  const type = text(fields, 'type');
  const reason = optionalText(fields, 'reason');
  const kinds: Record<string, () => SandboxSignal> = {
    typing: () => ({ ...who, ...group, type: 'typing', state: 'typing' }),
    recording: () => ({ ...who, ...group, type: 'typing', state: 'recording' }),
    paused: () => ({ ...who, ...group, type: 'typing', state: 'paused' }),
    online: () => ({ ...who, type: 'presence', isAvailable: true }),
    offline: () => ({ ...who, type: 'presence', isAvailable: false, lastSeenAt: Date.now() }),
    call: () => ({ ...who, type: 'call', isVideo: fields['video'] === true }),
    call_end: () => ({
      ...who,
      type: 'call_end',
      callId: text(fields, 'call_id'),
      ...(reason === undefined ? {} : { reason }),
    }),
    picture: () => ({ ...who, ...group, type: 'picture', pictureId: optionalText(fields, 'picture_id') ?? null }),
  };
  const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  if (!kind) throw new ControlError(400, `type must be one of ${Object.keys(kinds).join(', ')}`);
  return kind();
}

/** Which message a change is about. */
export function target(fields: Fields): { id: string; phone?: string } {
  const phone = optionalText(fields, 'message_from');
  return { id: text(fields, 'message_id'), ...(phone === undefined ? {} : { phone }) };
}

/** Reads a file that is to be sent. @throws ControlError 400 */
export function toMedia(value: unknown): SandboxMedia {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Fields;
  const data = text(fields, 'data');
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(data)) throw new ControlError(400, 'media.data is not base64');
  const filename = optionalText(fields, 'filename');
  const caption = optionalText(fields, 'caption');
  return {
    data: Buffer.from(data, 'base64'),
    mimeType: text(fields, 'mime_type'),
    ...(filename === undefined ? {} : { filename }),
    ...(caption === undefined ? {} : { caption }),
    ...(fields['voice'] === true ? { voice: true } : {}),
  };
}
