import type { SandboxPage } from './page.ts';

/**
 * What the page shows on its own: "What's new", which unlinks the device when nobody answers it, and a frame that navigates.
 * Shapes as in WAWebWhatsNewNux, WAWebWhatsNewGatingUtils and WAWebModalManager.
 */
export function defineNotices(page: SandboxPage): void {
  const ANSWER_WITHIN_MS = 2_000;
  /** It comes a second time so long after it was answered. */
  const AGAIN_AFTER_MS = 300;
  const NAVIGATE_EVERY_MS = 150;
  const { drift } = page.config;
  let isDue = drift.includes('whats-new');
  let dialog: HTMLElement | undefined;
  let dismissals = 0;

  const manager = {
    open(text: string) {
      dialog = document.createElement('div');
      dialog.setAttribute('role', 'dialog');
      dialog.textContent = text;
      document.body.append(dialog);
    },
    close() {
      dialog?.remove();
      dialog = undefined;
    },
  };
  page.define('WAWebModalManager', { ModalManager: manager });
  if (isDue) {
    page.define('WAWebWhatsNewGatingUtils', { getWhatsNewAutoModalCooldownDays: () => 15 });
    page.define('WAWebWhatsNewNux', {
      createWhatsNewNux: (days: number) => ({
        shouldShow: () => days === 15 && isDue,
        dismiss() {
          isDue = false;
          dismissals += 1;
          if (dismissals === 1) setTimeout(comeAgain, AGAIN_AFTER_MS);
        },
      }),
    });
  }

  function showWhatsNew(): void {
    manager.open("What's new");
    setTimeout(() => {
      if (dialog) void (page.socket as unknown as { logout(): Promise<void> }).logout();
    }, ANSWER_WITHIN_MS);
  }

  function comeAgain(): void {
    isDue = true;
    showWhatsNew();
  }

  function navigateForEver(): void {
    const frame = document.createElement('iframe');
    document.body.append(frame);
    let count = 0;
    setInterval(() => {
      count += 1;
      frame.src = `data:text/html,${count}`;
    }, NAVIGATE_EVERY_MS);
  }

  page.socket.on('change:hasSynced', () => {
    if (isDue && !dialog) showWhatsNew();
    if (drift.includes('frame-navigations')) navigateForEver();
  });
}
