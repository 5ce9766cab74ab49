import type { SandboxPage } from './page.ts';

/**
 * The workers beside the page: one does part of its work, with scripts from another host, as the real one has them from
 * static.whatsapp.net (WAWebStartBackendWorker, WebWorkerV4Resource); the other stands before the network (WAWebSw).
 */
export function defineWorkers(page: SandboxPage): void {
  const { drift, networkUrl } = page.config;

  function startBackendWorker(): Promise<unknown> {
    const scripts = networkUrl.replace(/^ws/, 'http');
    const worker = new Worker(`/worker.js?scripts=${encodeURIComponent(scripts)}`, { type: 'module' });
    return new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
  }

  async function startServiceWorker(): Promise<void> {
    await navigator.serviceWorker.register('/sw.js');
    await navigator.serviceWorker.ready;
  }

  page.workers = Promise.all([
    drift.includes('backend-worker') && startBackendWorker(),
    drift.includes('service-worker') && startServiceWorker(),
  ]);
}
