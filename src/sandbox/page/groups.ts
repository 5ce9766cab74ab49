import type { ChatModel, Model, SandboxPage, Wid } from './page.ts';

/**
 * What admins do with groups, through the modules that the library asks. The changes stay on this device: the simulated
 * network does not know descriptions, settings or admins. Shapes as in WAWebGroupModifyInfoJob, WAWebSetPropertyGroupAction
 * and WAWebModifyParticipantsGroupAction.
 */
export function defineGroups(page: SandboxPage): void {
  type Participant = Model & { id: Wid };
  interface Description {
    groupWid: Wid;
    desc: string | null;
    newDescId: string;
    prevDescId?: string;
  }
  const isDrifted = (drift: (typeof page.config.drift)[number]): boolean => page.config.drift.includes(drift);
  const metadataOf = (wid: Wid): Model => {
    // What the real job does first; for something else than an address it throws without more words.
    const chat = page.Chat.get(page.createWid(wid.toString()));
    if (!chat) throw new Error('widToGroupJid: not a group');
    return chat['groupMetadata'] as Model;
  };

  page.define('WARandomHex', {
    randomHex: (bytes: number) =>
      Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0'))
        .join('')
        .toUpperCase(),
  });

  async function describe({ groupWid, desc, newDescId, prevDescId }: Description): Promise<void> {
    const metadata = metadataOf(groupWid) as Model & { descId?: string };
    if (metadata.descId !== prevDescId) throw Object.assign(new Error('409'), { name: 'ServerStatusCodeError' });
    metadata.set({ desc: desc ?? undefined, descId: newDescId });
  }
  page.define('WAWebGroupModifyInfoJob', {
    setGroupSubject: async (groupWid: Wid, subject: string) => void metadataOf(groupWid).set({ subject }),
    setGroupDescription: isDrifted('description-object')
      ? (description: Description) => describe(description)
      : (groupWid: Wid, desc: string | null, newDescId: string, prevDescId?: string) =>
          describe({ groupWid, desc, newDescId, ...(prevDescId === undefined ? {} : { prevDescId }) }),
  });

  const properties: Record<string, string> = { announcement: 'announce', restrict: 'restrict' };
  page.define('WAWebSetPropertyGroupAction', {
    setGroupProperty: async (chat: ChatModel, property: string, value: number) =>
      void (chat['groupMetadata'] as Model).set({ [properties[property] ?? property]: value === 1 }),
  });

  const membersOf = (chat: ChatModel) =>
    (chat['groupMetadata'] as { participants: { remove(member: Participant): void } }).participants;
  const change =
    (each: (chat: ChatModel, member: Participant) => unknown) => async (chat: ChatModel, members: Participant[]) => {
      if (members.length === 0 && isDrifted('members-checked')) throw new RangeError();
      for (const member of members) each(chat, member);
    };
  page.define('WAWebModifyParticipantsGroupAction', {
    removeParticipants: change((chat, member) => membersOf(chat).remove(member)),
    promoteParticipants: change((_, member) => member.set({ isAdmin: true })),
    demoteParticipants: change((_, member) => member.set({ isAdmin: false, isSuperAdmin: false })),
  });
}
