import { newMessageId, toPhone } from './address.ts';
import type { Exchange } from './exchange.ts';
import type { SandboxMessage } from './present.ts';
import type { ChangeRecord } from './records.ts';
import type { StoredMessage } from './state.ts';
import { senderJid } from './wire.ts';

/** What people do to messages that are there. Every method throws an Error that says what is wrong. */
export interface MessageEdits {
  /** Changes the text of a message, as its sender. `phone` says whose message when the id is not unique. */
  edit(change: { id: string; text: string; phone?: string }): SandboxMessage;
  /** Deletes a message for everyone (`by` its sender, or the owner of its group), or on the phone `by` alone. */
  revoke(change: { id: string; by?: string; forMe?: boolean; phone?: string }): SandboxMessage;
  /** Reacts to a message; an empty emoji takes the reaction back. */
  react(change: { id: string; by: string; emoji: string; phone?: string; as?: 'phone' | 'lid' }): SandboxMessage;
}

interface EditsDeps {
  exchange: Pick<Exchange, 'state' | 'commit' | 'changed'>;
  /** Returns the phone as digits. @throws Error when it is not on WhatsApp */
  onNetwork(text: string): string;
  present(message: StoredMessage): SandboxMessage;
  now: () => number;
}

/** Returns the edits over an exchange. */
export function createMessageEdits({ exchange, onNetwork, present, now }: EditsDeps): MessageEdits {
  const { state } = exchange;

  /** A message by its bare id; ids are unique for each sender only. */
  function messageOf(id: string, phone: string | undefined): StoredMessage {
    const sender = phone === undefined ? undefined : toPhone(phone);
    const found = [...state.messages.values()].find(
      (message) => message.id === id && (sender === undefined || message.fromPhone === sender),
    );
    if (!found) throw new Error(`There is no message "${id}"`);
    if (found.revoked) throw new Error(`The message "${id}" has been deleted`);
    return found;
  }

  function change(
    message: StoredMessage,
    what: ChangeRecord['what'],
    { by, as, text }: { by: string; as?: 'phone' | 'lid'; text?: string },
  ): SandboxMessage {
    const from = by === message.fromPhone ? (message.author ?? message.from) : senderJid(by, as ?? 'phone');
    exchange.commit({
      kind: 'change',
      what,
      key: message.key,
      id: newMessageId(),
      by,
      from,
      at: now(),
      ...(text === undefined ? {} : { text }),
    });
    exchange.changed(message);
    return present(message);
  }

  return {
    edit({ id, text, phone }) {
      const message = messageOf(id, phone);
      return change(message, 'edit', { by: message.fromPhone, text });
    },
    revoke({ id, by, forMe = false, phone }) {
      const message = messageOf(id, phone);
      const who = by === undefined ? message.fromPhone : onNetwork(by);
      const isAdmin = state.groups.get(message.to)?.owner === who;
      if (!forMe && who !== message.fromPhone && !isAdmin)
        throw new Error(`${who} may not delete this message for everyone`);
      return change(message, forMe ? 'remove' : 'revoke', { by: who });
    },
    react({ id, by, emoji, phone, as }) {
      const message = messageOf(id, phone);
      const who = onNetwork(by);
      if (who !== message.fromPhone && !message.levels.has(who)) throw new Error(`${who} is not in this chat`);
      return change(message, 'react', { by: who, text: emoji, ...(as === undefined ? {} : { as }) });
    },
  };
}
