import type { Connection, Database } from './database.ts';

/** A stored file's row: several rows may share one file, by hash. */
export interface StoredMedia {
  id: string;
  accountId: string;
  /** Names the file on disk. */
  sha256: string;
  mimeType: string;
  filename: string | null;
  sizeBytes: number;
  createdAt: number;
}

/** The table of stored files. */
export interface MediaStore {
  insert(media: StoredMedia): Promise<void>;
  byId(id: string): Promise<StoredMedia | null>;
  /** Finds the account's row of the same bytes under the same name and type. */
  same(input: Pick<StoredMedia, 'accountId' | 'sha256' | 'mimeType' | 'filename'>): Promise<StoredMedia | null>;
  /** Starts the row's time anew, at this Unix ms; one that starts later already stays so. */
  touch(id: string, at: number): Promise<void>;
  /** Returns the oldest rows made before this Unix ms. */
  olderThan(before: number, limit: number): Promise<StoredMedia[]>;
  /** Removes those of these rows that were made before this Unix ms, and not touched since; returns how many. */
  remove(ids: string[], before: number): Promise<number>;
  /** Returns which of these hashes still have a row. */
  used(sha256s: string[]): Promise<Set<string>>;
}

/** Returns the media table. */
export function createMediaStore({ knex }: Database): MediaStore {
  const table = (connection: Connection = knex) => connection('media');

  return {
    async insert(media) {
      await table().insert(toRow(media));
    },

    async byId(id) {
      const row = (await table().where({ id }).first()) as MediaRow | undefined;
      return row ? fromRow(row) : null;
    },

    async same({ accountId, sha256, mimeType, filename }) {
      const row = (await table()
        .where({ account_id: accountId, sha256, mime_type: mimeType, filename })
        .orderBy('id')
        .first()) as MediaRow | undefined;
      return row ? fromRow(row) : null;
    },

    async touch(id, at) {
      await table().where({ id }).where('created_at', '<', at).update({ created_at: at });
    },

    async olderThan(before, limit) {
      const rows = (await table().where('created_at', '<', before).orderBy('created_at').limit(limit)) as MediaRow[];
      return rows.map(fromRow);
    },

    remove: async (ids, before) => table().whereIn('id', ids).where('created_at', '<', before).delete(),

    async used(sha256s) {
      const rows = (await table().whereIn('sha256', sha256s).distinct('sha256')) as { sha256: string }[];
      return new Set(rows.map((row) => row.sha256));
    },
  };
}

interface MediaRow {
  id: string;
  account_id: string;
  sha256: string;
  mime_type: string;
  filename: string | null;
  size_bytes: number;
  created_at: number;
}

function toRow(media: StoredMedia): MediaRow {
  return {
    id: media.id,
    account_id: media.accountId,
    sha256: media.sha256,
    mime_type: media.mimeType,
    filename: media.filename,
    size_bytes: media.sizeBytes,
    created_at: media.createdAt,
  };
}

function fromRow(row: MediaRow): StoredMedia {
  return {
    id: row.id,
    accountId: row.account_id,
    sha256: row.sha256,
    mimeType: row.mime_type,
    filename: row.filename,
    sizeBytes: Number(row.size_bytes),
    createdAt: Number(row.created_at),
  };
}
