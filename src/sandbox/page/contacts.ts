import type { ContactModel, SandboxPage, Wid } from './page.ts';

/** Contacts and what is known of phones and LIDs. */
export function defineContacts(page: SandboxPage): void {
  class Contact extends (page.Model as new (values: Record<string, unknown>) => ContactModel) {
    constructor(values: Record<string, unknown>) {
      super({ type: 'in', isContactBlocked: false, ...values, id: page.createWid(values['id']) });
    }
  }

  const lids = new Map<string, Wid>();
  const phones = new Map<string, Wid>();
  const userWid = (wid: unknown): Wid => page.createWid(String(wid).replace(/:\d+@/, '@'));

  page.lidFor = (wid) => (wid.isLid() ? wid : lids.get(String(userWid(wid))));
  page.phoneFor = (wid) => (wid.isLid() ? phones.get(String(userWid(wid))) : wid);

  const Contacts = page.newCollection(Contact as unknown as new (values: Record<string, unknown>) => ContactModel, {
    find: async (id: unknown) => page.contactOf(page.createWid(id)),
    update: async (id: unknown) => page.contactOf(page.createWid(id)),
  });

  page.contactOf = (wid) => {
    const id = userWid(wid);
    return Contacts.get(id) ?? (Contacts.add(new Contact({ id }))[0] as ContactModel);
  };

  function save(contact: ContactModel): void {
    const { id, pushname } = contact;
    const lid = page.lidFor(id);
    void page.database.put('contact', String(id), () => ({
      key: String(id),
      ...(pushname === undefined ? {} : { name: pushname }),
      ...(lid && !id.isLid() ? { lid: String(lid) } : {}),
    }));
  }

  page.learn = ({ pn, lid, name }) => {
    if (pn !== undefined && lid !== undefined && String(lids.get(pn)) !== lid) {
      lids.set(pn, page.createWid(lid));
      phones.set(lid, page.createWid(pn));
      page.contactOf(page.createWid(lid)).set({ phoneNumber: page.createWid(pn) });
      save(page.contactOf(page.createWid(pn)));
    }
    for (const id of [pn, lid]) {
      const contact = id === undefined ? undefined : page.contactOf(page.createWid(id));
      if (!contact || name === undefined || contact['pushname'] === name) continue;
      contact.set({ pushname: name });
      save(contact);
    }
  };

  const nameOf = (contact: ContactModel): unknown => contact['name'] ?? contact['pushname'];
  page.define('WAWebContactCollection', { ContactCollection: Contacts });
  page.define('WAWebContactGetters', {
    getIsMe: (contact: ContactModel) => [page.mePn(), page.meLid()].some((me) => me?.equals(contact.id)),
    getIsUser: (contact: ContactModel) => contact.id.isUser(),
    getIsGroup: (contact: ContactModel) => contact.id.isGroup(),
    getIsWAContact: (contact: ContactModel) => contact.id.isUser(),
    getUserid: (contact: ContactModel) => contact.id.user,
    getVerifiedName: () => undefined,
    getVerifiedLevel: () => undefined,
    getStatusMute: () => undefined,
    getName: (contact: ContactModel) => contact['name'],
    getShortName: (contact: ContactModel) => String(nameOf(contact) ?? '').split(' ')[0] || undefined,
    getPushname: (contact: ContactModel) => contact['pushname'],
    getIsEnterprise: () => false,
  });
  page.define('WAWebFrontendContactGetters', {
    getIsMyContact: (contact: ContactModel) => contact['name'] !== undefined,
  });

  page.define('WAWebApiContact', {
    getCurrentLid: page.lidFor,
    getPhoneNumber: (wid: Wid) => (wid.isLid() ? page.phoneFor(wid) : undefined),
    getAlternateUserWid: (wid: Wid) => (wid.isLid() ? page.phoneFor(wid) : page.lidFor(wid)),
    warmUpAllLidPnMappings: async () => undefined,
  });
  page.define('WAWebLidMigrationUtils', {
    toPn: (wid: Wid) => page.phoneFor(wid),
    toLid: (wid: Wid) => page.lidFor(wid),
    toUserLid: (wid: Wid) => page.lidFor(wid),
    toUserLidOrThrow(wid: Wid) {
      const lid = page.lidFor(wid);
      if (!lid) throw new Error('toUserLidOrThrow: lid not found');
      return lid;
    },
  });

  async function queryWidExists(wid: Wid): Promise<Record<string, unknown> | null> {
    const found = await page.network.request<{ wid: string; pn: string; lid: string; name?: string } | null>('exists', {
      wid: String(wid),
    });
    if (!found) return null;
    const { pn, lid } = found;
    page.learn({ pn, lid });
    return { wid: page.createWid(found.wid), biz: false, bizInfo: undefined, isUsernameSearch: false };
  }
  page.define('WAWebQueryExistsJob', {
    queryWidExists,
    queryPhoneExists: (phone: string) => queryWidExists(page.createWid(`${phone.replace(/\D/g, '')}@c.us`)),
  });
}
