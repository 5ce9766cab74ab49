/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * WhatsApp Web keeps the text of a message key under `$1` instead of `_serialized` (from 2.3000.1043220887 on), where the
 * library reads it in some sixty places. Keys and addresses get a `_serialized` that reads the new field; what goes to Node
 * gets it as a field of its own, since a getter is lost on the way.
 * Sources: WAWebMsgKey, WAWebWid; the way to Node is the library's getMessageModel, getChatModel, getContactModel.
 */
export const serializedIds: Shim = {
  name: 'serialized-ids',
  issue: 'wwebjs issues 201832, 201833, 201848',
  stage: 'synced',
  // The bridge reads both names: sends go on without it.
  features: ['edit', 'revoke', 'star', 'pin', 'forward', 'message_info', 'reactions'],
  isNeeded(page: any) {
    const wid = page.require('WAWebWidFactory').createWid('0@c.us');
    const key = new (page.require('WAWebMsgKey'))({ fromMe: true, remote: wid, id: 'A' });
    return key._serialized === undefined || wid._serialized === undefined;
  },
  apply(page: any) {
    const wid = page.require('WAWebWidFactory').createWid('0@c.us');
    const key = new (page.require('WAWebMsgKey'))({ fromMe: true, remote: wid, id: 'A' });
    for (const sample of [wid, key]) {
      if (sample._serialized !== undefined) continue;
      Object.defineProperty(Object.getPrototypeOf(sample), '_serialized', {
        configurable: true,
        get(this: any) {
          // An address has a method of that name (WAWebWid, for its log).
          return typeof this.$1 === 'string' ? this.$1 : this.toString();
        },
      });
      if (typeof sample._serialized !== 'string') throw new Error('An id has no text under a name that is known');
    }

    /** Only the first level is read in Node. */
    function withTexts(model: any): any {
      if (typeof model !== 'object' || model === null) return model;
      for (const [name, value] of Object.entries<any>(model))
        if (typeof value?.$1 === 'string' && !Object.hasOwn(value, '_serialized'))
          model[name] = { ...value, _serialized: value.$1 };
      return model;
    }
    for (const name of ['getMessageModel', 'getContactModel']) {
      const original = page.WWebJS[name];
      page.WWebJS[name] = (...args: any[]) => withTexts(original(...args));
    }
    const { getChatModel } = page.WWebJS;
    page.WWebJS.getChatModel = async (...args: any[]) => withTexts(await getChatModel(...args));
  },
};
