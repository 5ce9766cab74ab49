/* oxlint-disable typescript/no-explicit-any -- the page's own objects have no types */
import whatsapp, { type GroupChat } from 'whatsapp-web.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allDrifts, type Drift } from '../../src/sandbox/drift.ts';
import { shims } from '../../src/whatsapp/webjs/shims/index.ts';
import { until } from '../support/clock.ts';
import { openPage, own, type PageBed } from './linked-page.ts';

const friend = '255757123456';
const stranger = '999757123456';
const png = {
  mimetype: 'image/png',
  data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
};
const channel = '120363000000000001@newsletter';

/** A change of the page each, and the shim that it calls for. */
const answers: Record<string, Drift> = {
  'serialized-ids': 'msg-key-renamed',
  'chat-find': 'chat-find-gone',
  'status-media': 'status-object',
  'channel-preview': 'channel-previews',
  block: 'block-by-lid',
  'group-description': 'description-object',
  'whats-new': 'whats-new',
};
/** Shims for what a page does not show until it is asked; they pass on what needs no mending. */
const standing = ['media-id', 'group-members', 'send-results', 'download-options'];

async function reports(bed: PageBed): Promise<Record<string, string>> {
  const { shims: done } = await bed.linked.selfTest();
  return Object.fromEntries(done.map(({ name, result, error }) => [name, error ?? result]));
}

const pages: [string, Drift[]][] = [
  ['as the library knows it', []],
  ['that has moved on in everything', allDrifts],
];

describe.each(pages)('on a page %s', (_, drift) => {
  let bed: PageBed;
  let group: string;

  beforeAll(async () => {
    bed = await openPage(drift);
    group = bed.sandbox.network.createGroup({ subject: 'Team', owner: own, members: [friend, '255757123457'] }).id;
    await until('the group is known', () =>
      bed.inPage((page, id) => Boolean(page.require('WAWebCollections').Chat.get(id)), group),
    );
  });

  afterAll(() => bed.close());

  it('applies what is needed and leaves the rest alone', async () => {
    const done = await reports(bed);
    const expected = Object.entries(answers).map(([name, change]) => [
      name,
      drift.includes(change) ? 'applied' : 'not_needed',
    ]);
    expect(done).toMatchObject(Object.fromEntries([...expected, ...standing.map((name) => [name, 'applied'])]));
    expect(Object.keys(done).toSorted()).toEqual(shims.map(({ name }) => name).toSorted());
  });

  it('changes no function of the page that needs no mending', async () => {
    const lengths = await bed.inPage((page) => ({
      description: page.require('WAWebGroupModifyInfoJob').setGroupDescription.length,
      block: typeof page.require('WAWebBlockContactUtils').getContactToBlockOnlyUseIfNoAssociatedChat,
      status: typeof page.require('WAWebStatusGatingUtils').canCheckStatusRankingPosterGating,
    }));
    expect(lengths).toMatchObject({ block: 'function', status: 'function' });
    if (drift.length === 0) expect(lengths.description).toBe(4);
  });

  it('gives the library the ids of what it sent', async () => {
    const sent = await bed.linked.sendMessage(`${friend}@c.us`, 'hello', { sendSeen: false });
    expect(sent.id._serialized).toBe(`true_${sent.to}_${sent.id.id}`);
    expect((await bed.linked.getMessageById(sent.id._serialized)).body).toBe('hello');
    const chat = await bed.linked.getChatById(`${friend}@c.us`);
    expect(chat.lastMessage.id._serialized).toBe(sent.id._serialized);
  });

  it('sends a picture and fetches one, without its type being named', async () => {
    const media = new whatsapp.MessageMedia(png.mimetype, png.data);
    const sent = await bed.linked.sendMessage(`${friend}@c.us`, media, { sendSeen: false });
    await until('it is read', () =>
      bed.sandbox.network.messages().some(({ id, acks }) => id === sent.id.id && acks === 3),
    );
    const bytes = Buffer.from(png.data, 'base64');
    const { id } = bed.sandbox.network.receive({
      to: own,
      from: friend,
      media: { data: bytes, mimeType: 'image/png' },
    });
    await until('it has come', () =>
      bed.records.some((record) => record.kind === 'message' && record.message.waId === id),
    );
    const record = bed.records.find((other) => other.kind === 'message' && other.message.waId === id) as any;
    const received = await bed.linked.getMessageById(record.message.waKey);
    expect((await received.downloadMedia()).data).toBe(png.data);
  });

  it('finds a chat that is not loaded', async () => {
    const found = await bed.inPage(async (page, id) => {
      const { createWid } = page.require('WAWebWidFactory');
      const { Chat } = page.require('WAWebCollections');
      const chat = await Chat.find(createWid(id));
      if ((await Chat.find(chat.id.toString())) !== chat) throw new Error('found another by text');
      return chat.id.toString();
    }, '255757999999@c.us');
    expect(found).toMatch(/^(255757999999@c\.us|\d+@lid)$/);
  });

  it('blocks and unblocks, and tells why a message did not go to somebody who is blocked', async () => {
    const contact = await bed.linked.getContactById(`${friend}@c.us`);
    await contact.block();
    const blocked = () =>
      bed.inPage((page) => page.require('WAWebCollections').Blocklist.map((entry: any) => entry.id.toString()));
    expect(await blocked()).toEqual([drift.length === 0 ? `${friend}@c.us` : expect.stringMatching(/@lid$/)]);
    const waId = '3EB0DDDDDDDDDDDDDD03';
    await bed.inPage((page, message) => page.wapbridge.send([message]), {
      waId,
      chat: `${friend}@c.us`,
      retry: false,
      text: 'lost',
      options: {},
    });
    const failure = () => bed.records.find((record) => record.kind === 'failed' && record.waId === waId);
    await until('it is told that nothing can be sent', () => failure() !== undefined);
    expect(failure()).toMatchObject({ detail: expect.stringContaining('Contact is blocked') });
    await contact.unblock();
    expect(await blocked()).toEqual([]);
  });

  it('describes a group, anew and not at all', async () => {
    const chat = (await bed.linked.getChatById(group)) as GroupChat;
    const description = () =>
      bed.inPage((page, id) => page.require('WAWebCollections').Chat.get(id).groupMetadata.desc ?? null, group);
    expect(await chat.setDescription('About us')).toBe(true);
    expect(await description()).toBe('About us');
    expect(await chat.setDescription('')).toBe(true);
    expect((await description()) || null).toBeNull();
  });

  it('says so when nobody of those to be removed is a member', async () => {
    const chat = (await bed.linked.getChatById(group)) as GroupChat;
    await expect(chat.removeParticipants(['255757777777@c.us'])).rejects.toThrow('None of them is a member');
    await expect(chat.promoteParticipants(['255757777777@c.us'])).rejects.toThrow('None of them is a member');
    expect(await chat.removeParticipants([`${friend}@c.us`])).toEqual({ status: 200 });
  });

  it('posts a picture as a status update', async () => {
    await bed.linked.sendMessage('status@broadcast', new whatsapp.MessageMedia(png.mimetype, png.data), {
      caption: 'New',
      sendSeen: false,
    });
    const posted = await bed.inPage((page) =>
      page
        .require('WAWebCollections')
        .Status.getMyStatus()
        .msgs.map(({ type, caption, ack }: any) => ({ type, caption, ack })),
    );
    expect(posted).toEqual([{ type: 'image', caption: 'New', ack: 1 }]);
  });

  it('makes the preview of a link in a channel', async () => {
    const sent = await bed.linked.sendMessage(channel, 'see https://example.com/', { sendSeen: false });
    expect(sent.body).toBe('see https://example.com/');
    const title = await bed.inPage(
      (page, id) =>
        page
          .require('WAWebCollections')
          .WAWebNewsletterCollection.get(id)
          .msgs.map((message: any) => message.title ?? null)
          .at(-1),
      channel,
    );
    expect(title).toBe(drift.length === 0 ? null : 'Preview of https://example.com/');
  });

  it('sends a text whose link has no preview', async () => {
    const waId = '3EB0DDDDDDDDDDDDDD04';
    await bed.inPage((page, message) => page.wapbridge.send([message]), {
      waId,
      chat: `${friend}@c.us`,
      retry: false,
      text: 'see https://chat.whatsapp.com/expired',
      options: { linkPreview: true },
    });
    await until('it has arrived', () => bed.sandbox.network.messages().some(({ id }) => id === waId));
  });

  it('tells of a send that failed after it was stored', async () => {
    await bed.inPage((page, id) => {
      // A chat that is there, so that nobody asks whether the number is.
      page.require('WAWebCollections').Chat.add({ id });
      page.wapbridge.send([{ waId: '3EB0DDDDDDDDDDDDDD01', chat: id, retry: false, text: 'lost', options: {} }]);
    }, `${stranger}@c.us`);
    const kinds = () =>
      bed.records.flatMap((record) =>
        'waId' in record && record.waId === '3EB0DDDDDDDDDDDDDD01'
          ? [record.kind === 'ack' ? `ack ${record.ack}` : record.kind]
          : [],
      );
    await until('it is told', () => kinds().some((kind) => kind === 'failed'));
    expect(kinds()[0]).toBe('accepted');
    expect(bed.records.findLast(({ kind }) => kind === 'failed')).toMatchObject({
      detail: "ERROR_UNKNOWN, WhatsApp's code 463",
    });
  });

  it('is ready once, whatever frames do, and stays linked', async () => {
    const inside = bed.linked as unknown as { inject(): Promise<void> };
    const inject = inside.inject.bind(bed.linked);
    let injections = 0;
    inside.inject = () => {
      injections += 1;
      return inject();
    };
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    expect(await bed.inPage((page) => page.frames.length)).toBe(drift.includes('frame-navigations') ? 1 : 0);
    expect({ injections, readies: bed.readies }).toEqual({ injections: 0, readies: 1 });
    expect(bed.isLoggedOut).toBe(false);
    expect(await bed.inPage((page) => page.document.querySelector('[role=dialog]') === null)).toBe(true);
  });

  it('is mended again after a restart, and ready although it synced before anybody listened', async () => {
    const before = await reports(bed);
    await bed.restart();
    expect(await reports(bed)).toMatchObject({ ...before, 'ready-race': expect.stringMatching(/applied|not_needed/) });
    if (drift.includes('early-sync')) expect((await reports(bed))['ready-race']).toBe('applied');
    expect(await bed.linked.sendMessage(`${friend}@c.us`, 'again', { sendSeen: false })).toBeDefined();
  });
});

it('takes the text of an address whose own field for it is gone, and not the method under that name', () => {
  class Wid {
    $1(): string {
      return '0000';
    }
    toString(): string {
      return '255757123456@c.us';
    }
  }
  class MsgKey {
    $1 = 'true_255757123456@c.us_A';
  }
  const modules: Record<string, unknown> = {
    WAWebWidFactory: { createWid: () => new Wid() },
    WAWebMsgKey: MsgKey,
  };
  const page = { require: (name: string) => modules[name], WWebJS: { getMessageModel: () => ({ id: new MsgKey() }) } };
  const shim = shims.find(({ name }) => name === 'serialized-ids')!;
  expect(shim.isNeeded(page)).toBe(true);
  shim.apply(page);
  expect((new Wid() as any)._serialized).toBe('255757123456@c.us');
  expect((new MsgKey() as any)._serialized).toBe('true_255757123456@c.us_A');
});

describe('on a page whose modules are gone', () => {
  let bed: PageBed;

  beforeAll(async () => {
    bed = await openPage([
      'module-gone:WAWebQueryExistsJob',
      'module-gone:WAWebGroupModifyInfoJob',
      'module-gone:WARandomHex',
      'module-gone:WAWebAltDeviceLinkingApi',
    ]);
  });

  afterAll(() => bed.close());

  it('names them for their features and for no other', async () => {
    const { missing, shims: done, tookMs } = await bed.linked.selfTest();
    expect(missing).toMatchObject({
      check_numbers: ['WAWebQueryExistsJob'],
      lid_phones: ['WAWebQueryExistsJob'],
      group_description: expect.arrayContaining([
        'WAWebGroupModifyInfoJob',
        expect.stringMatching(/^shim group-description \(.*WAWebGroupModifyInfoJob/),
      ]),
    });
    for (const feature of [
      'send_text',
      'send_media',
      'receive',
      'acks',
      'history',
      'download_media',
      'block',
      'logout',
    ])
      expect(missing).not.toHaveProperty(feature);
    expect(missing).toMatchObject({
      pairing_code: expect.arrayContaining(['WAWebAltDeviceLinkingApi.setPairingType']),
    });
    expect(done.find(({ name }) => name === 'gone-modules')).toMatchObject({ result: 'applied' });
    expect(done.find(({ name }) => name === 'group-description')).toMatchObject({ result: 'failed' });
    expect(tookMs).toBeLessThan(2_000);
  });

  it('sends all the same', async () => {
    await bed.inPage((page, id) => {
      page.wapbridge.send([
        { waId: '3EB0DDDDDDDDDDDDDD02', chat: id, retry: false, text: 'hi', options: { linkPreview: true } },
      ]);
    }, `${friend}@c.us`);
    await until('it has arrived', () => bed.sandbox.network.messages().some(({ id }) => id === '3EB0DDDDDDDDDDDDDD02'));
  });

  it('sends a text also when nobody makes the preview of its link', async () => {
    await bed.inPage((page, id) => {
      page.require('WAWebLinkPreviewChatAction').getLinkPreview = () => new Promise(() => undefined);
      const [text, options] = ['see https://example.com/', { linkPreview: true }];
      page.wapbridge.send([{ waId: '3EB0DDDDDDDDDDDDDD05', chat: id, retry: false, text, options }]);
    }, `${friend}@c.us`);
    await until('it has arrived', () => bed.sandbox.network.messages().some(({ id }) => id === '3EB0DDDDDDDDDDDDDD05'));
  });
});
