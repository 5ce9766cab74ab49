import type { Browser } from 'puppeteer';
import { afterEach, expect, it } from 'vitest';
import { parseJid } from '../../src/model/jid.ts';
import type { ClientMessage, SendOutcome } from '../../src/whatsapp/client.ts';
import { until } from '../support/clock.ts';
import { type ClientBed, createClientBed } from './linked-client.ts';

let bed: ClientBed;
afterEach(() => bed.close());

const text = (waId: string, phone: string): ClientMessage => ({
  waId,
  chat: parseJid(`${phone}@c.us`)!,
  content: { type: 'text', text: 'Hello' },
  retry: false,
});

it('lets later messages pass one that hangs in the page', async () => {
  let browser: Browser | undefined;
  bed = await createClientBed({ prepare: async (launched) => void (browser = launched) });
  const [page] = await browser!.pages();
  await page!.evaluate(`{
    const { getChat } = window.WWebJS;
    window.WWebJS.getChat = (jid, options) =>
      jid === '255757999999@c.us' ? new Promise(() => {}) : getChat(jid, options);
  }`);
  const outcomes = () => bed.events.flatMap((event): SendOutcome[] => (event.type === 'sent' ? event.outcomes : []));

  await bed.client.send([
    text('3EB0AAAAAAAAAAAAAAAA01', '255757999999'),
    text('3EB0AAAAAAAAAAAAAAAA02', '255757123456'),
  ]);
  await until('the later one is answered', () => outcomes().length > 0);
  expect(outcomes()).toMatchObject([{ result: 'accepted', waId: '3EB0AAAAAAAAAAAAAAAA02' }]);
});
