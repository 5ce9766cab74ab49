import type { Page } from 'puppeteer';

/**
 * Answers this address with a page of ours and leaves every other request alone. Puppeteer's own interception, which the library uses,
 * stops them all, and never lets go of those that a worker of the page sends to other hosts: the worker of WhatsApp Web
 * (WAWebStartBackendWorker) then waits for its scripts for ever, and with it history, films and sounds that are sent, and files that come.
 */
export async function servePage(page: Page, { url, html }: { url: string; html: string }): Promise<void> {
  const session = await page.createCDPSession();
  session.on('Fetch.requestPaused', ({ requestId }) => {
    const answer = {
      requestId,
      responseCode: 200,
      responseHeaders: [{ name: 'content-type', value: 'text/html; charset=utf-8' }],
      body: Buffer.from(html).toString('base64'),
    };
    // A page that went elsewhere meanwhile needs none.
    session.send('Fetch.fulfillRequest', answer).catch(() => undefined);
  });
  await session.send('Fetch.enable', { patterns: [{ urlPattern: url, resourceType: 'Document' }] });
}
