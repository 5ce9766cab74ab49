import type { ContactModel, Model, SandboxPage, Wid } from './page.ts';

/** Blocked people, kept on this device. Shapes as in WAWebBlockContactUtils and WAWebBlockContactAction. */
export function defineBlocking(page: SandboxPage): void {
  const isByLid = page.config.drift.includes('block-by-lid');
  const Entry = page.Model as new (values: Record<string, unknown>) => Model & { id: Wid };
  const list = page.newCollection(Entry);
  page.require<Record<string, unknown>>('WAWebCollections')['Blocklist'] = list;

  /** The migrated page blocks LIDs, and throws a bare text otherwise. */
  function targetOf({ id }: ContactModel): Wid {
    if (isByLid && !id.isLid())
      throw `[blocklist] trying to block a pn contact (id: ${id.toString()}) without a chat,  entryPoint: null`;
    return id;
  }

  page.define('WAWebBlockContactUtils', {
    ...(isByLid ? {} : { getContactToBlockOnlyUseIfNoAssociatedChat: (contact: ContactModel) => contact }),
    // These open a dialog and block nobody.
    handleBlock: () => undefined,
    handleUnblock: () => undefined,
  });
  page.define('WAWebBlockContactAction', {
    async blockContact({ contact, blockEntryPoint }: { contact: ContactModel; blockEntryPoint?: string }) {
      if (isByLid && blockEntryPoint === undefined) throw new TypeError('blockEntryPoint is undefined');
      list.add(new Entry({ id: targetOf(contact) }));
      contact.set({ isContactBlocked: true });
    },
    async unblockContact(contact: ContactModel) {
      const entry = list.get(targetOf(contact));
      if (entry) list.remove(entry);
      contact.set({ isContactBlocked: false });
    },
  });
}
