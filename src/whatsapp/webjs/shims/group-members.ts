/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * The library looks for the people it is to remove, promote or demote among the group's members, and goes on with nobody
 * when it finds none: WhatsApp Web then either throws without a word or does nothing, and the library answers 200. That is an
 * error now, and says so. Source: WAWebModifyParticipantsGroupAction.{remove,promote,demote}Participants(chat, participants).
 */
export const groupMembers: Shim = {
  name: 'group-members',
  issue: 'OpenWA patch-wwebjs-participant-arity',
  stage: 'synced',
  features: ['group_participants'],
  isNeeded(page: any) {
    return typeof page.require('WAWebModifyParticipantsGroupAction').removeParticipants === 'function';
  },
  apply(page: any) {
    const actions = page.require('WAWebModifyParticipantsGroupAction');
    for (const name of ['removeParticipants', 'promoteParticipants', 'demoteParticipants']) {
      const original = actions[name];
      actions[name] = async (chat: any, participants: any[], ...rest: any[]) => {
        if (participants?.length === 0) throw new Error('None of them is a member of the group');
        return original(chat, participants, ...rest);
      };
    }
  },
};
