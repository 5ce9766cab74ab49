/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { BridgePart } from './records.ts';

/**
 * Runs in the page: asks what WhatsApp Web itself asks after a start. Reading changes nothing; trying a send to find out would.
 * The jobs and their fields are as in the page's own WAWebGetReachoutTimelockJob and WAWebGetNewChatMessageCappingInfoJob; a page
 * that has no such job, or answers otherwise, tells nothing.
 */
export const restrictions: BridgePart = (bridge, page) => {
  async function ask(module: string, job: string, envelope: string): Promise<any> {
    try {
      const answer = await page.require(module)[job]();
      return answer?.[envelope] ?? answer ?? null;
    } catch {
      return null;
    }
  }

  bridge.restrictions = async () => {
    const lock = await ask(
      'WAWebMexFetchReachoutTimelockJob',
      'mexFetchReachoutTimelock',
      'xwa2_fetch_account_reachout_timelock',
    );
    const cap = await ask(
      'WAWebMexFetchNewChatMessageCappingInfoJob',
      'mexFetchNewChatMessageCapping',
      'xwa2_message_capping_info',
    );
    const isKnown = typeof lock?.is_active === 'boolean';
    const total = Number(cap?.total_quota ?? -1);
    return {
      timelock: isKnown ? { isActive: lock.is_active, endsAt: Number(lock.time_enforcement_ends ?? 0) || null } : null,
      newChats: total > 0 ? { used: Number(cap.used_quota ?? 0), total } : null,
    };
  };
};
