/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * "What's new" and the notice of the new look wait for a click; unanswered, the phone unlinks the device some minutes later.
 * Both are marked as seen and closed, now and whenever they come again.
 * Sources: WAWebWhatsNewNux.createWhatsNewNux(days) → {shouldShow, dismiss}, its days in
 * WAWebWhatsNewGatingUtils.getWhatsNewAutoModalCooldownDays; WAWebUserPrefsUiRefresh.{get,set}UiRefreshNuxAcked;
 * WAWebModalManager.ModalManager.open shows one, close closes the topmost.
 */
export const whatsNew: Shim = {
  name: 'whats-new',
  issue: 'wwebjs issue 3550, wa-js issue 2914',
  stage: 'synced',
  features: [],
  isNeeded(page: any) {
    const notices = { WAWebWhatsNewNux: 'createWhatsNewNux', WAWebUserPrefsUiRefresh: 'getUiRefreshNuxAcked' };
    return Object.entries(notices).some(([module, member]) => {
      try {
        return typeof page.require(module)[member] === 'function';
      } catch {
        return false;
      }
    });
  },
  apply(page: any) {
    const lookMs = 30_000;
    const load = (name: string): any => {
      try {
        return page.require(name);
      } catch {
        return undefined;
      }
    };

    function answerWhatsNew(): boolean {
      const days = load('WAWebWhatsNewGatingUtils')?.getWhatsNewAutoModalCooldownDays?.();
      const nux = load('WAWebWhatsNewNux')?.createWhatsNewNux?.(days);
      if (!nux?.shouldShow?.()) return false;
      nux.dismiss();
      return true;
    }

    function answerNewLook(): boolean {
      const prefs = load('WAWebUserPrefsUiRefresh');
      if (!prefs?.getUiRefreshNuxAcked || prefs.getUiRefreshNuxAcked()) return false;
      prefs.setUiRefreshNuxAcked(true);
      return true;
    }

    function answer(): void {
      const answered = [answerWhatsNew(), answerNewLook()];
      if (answered.includes(true)) load('WAWebModalManager')?.ModalManager.close();
    }

    function answerQuietly(): void {
      try {
        answer();
      } catch (error) {
        page.console.warn(error);
      }
    }

    answer();
    const manager = load('WAWebModalManager')?.ModalManager;
    const open = manager?.open?.bind(manager);
    if (open)
      manager.open = (...args: any[]) => {
        page.setTimeout(answerQuietly);
        return open(...args);
      };
    page.setInterval(answerQuietly, lookMs);
  },
};
