/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * The job that sets a group's description takes one object, and no text at all where there is to be none; the library gives
 * four arguments. Source: WAWebGroupModifyInfoJob.setGroupDescription({desc, groupWid, newDescId, prevDescId}), earlier
 * (groupWid, desc, newDescId, prevDescId); the id is WARandomHex.randomHex(8) in the page's own WAWebSetDescAction.
 */
export const groupDescription: Shim = {
  name: 'group-description',
  issue: 'wwebjs PR 201895',
  stage: 'synced',
  features: ['group_description'],
  isNeeded(page: any) {
    return page.require('WAWebGroupModifyInfoJob').setGroupDescription.length === 1;
  },
  apply(page: any) {
    const job = page.require('WAWebGroupModifyInfoJob');
    const set = job.setGroupDescription;
    const { randomHex } = page.require('WARandomHex');
    job.setGroupDescription = (...args: any[]) => {
      if (args.length === 1) return set(args[0]);
      const [groupWid, desc, , prevDescId] = args;
      return set({ groupWid, desc: desc || null, newDescId: randomHex(8), prevDescId });
    };
  },
};
