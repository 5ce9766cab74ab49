import type { Readable } from 'node:stream';
import type { MediaRef } from '../model/content.ts';
import { GatewayError, toGatewayError } from '../model/errors.ts';
import type { Clock } from '../model/time.ts';
import type { Outbound } from '../outbound.ts';
import type { MediaStore, StoredMedia } from '../store/media.ts';
import { decodeBase64 } from './media/base64.ts';
import { type DraftFile, type MediaFiles } from './media/files.ts';
import { cleanFilename, settleType } from './media/type.ts';
import type { Secrets } from './secrets.ts';

/** What the media store stands on. */
export interface MediaDeps {
  store: MediaStore;
  files: MediaFiles;
  outbound: Pick<Outbound, 'download'>;
  secrets: Pick<Secrets, 'sign' | 'verify'>;
  clock: Pick<Clock, 'now'>;
  newId: () => string;
  /** The address under which others reach the gateway, without a final slash. */
  publicUrl: string;
  maxBytes: number;
  retentionDays: number;
}

/** What a sender says of a file; nothing of it is trusted. */
interface MediaClaim {
  accountId: string;
  mimeType?: string | null | undefined;
  filename?: string | null | undefined;
}

/** A file on its way out of the gateway. */
interface OpenMedia {
  stream: Readable;
  mimeType: string;
  filename?: string;
  sizeBytes: number;
}

/** The files of messages, in and out: on disk by hash, described by rows. */
export interface Media {
  /** Stores bytes that came from WhatsApp. @throws GatewayError too_large */
  saveBytes(input: MediaClaim & { bytes: Buffer }): Promise<MediaRef>;
  /** Stores base64 of an API call, with or without a data URL prefix. @throws GatewayError invalid_media | too_large */
  saveBase64(input: MediaClaim & { base64: string }): Promise<MediaRef>;
  /** Fetches and stores a file by URL. @throws GatewayError invalid_input | invalid_media | blocked_address | fetch_failed | too_large */
  saveUrl(input: MediaClaim & { url: string }): Promise<MediaRef>;
  /** Returns a file's description and its place on disk. @throws GatewayError not_found */
  get(mediaId: string): Promise<MediaRef & { path: string }>;
  /** Returns a file as base64. @throws GatewayError not_found when the row or the file is gone */
  readBase64(mediaId: string): Promise<string>;
  /** Returns a link to the file that needs no credentials and lasts 7 days. */
  signedUrl(mediaId: string): string;
  /** Opens a file by its signed link: `expires` in Unix seconds, as the link carries it. @throws GatewayError forbidden | not_found */
  open(mediaId: string, expires: string | number, signature: string): Promise<OpenMedia>;
  /** Removes what is older than the retention time and files without a row; returns how many rows went. */
  prune(now: number): Promise<number>;
}

const linkSeconds = 7 * 24 * 3600;
const dayMs = 24 * 3600 * 1000;
const pruneBatch = 200;
/** How long a file named by URL may take. */
const fetchTimeoutMs = 60_000;

/** Returns the media store. */
export function createMedia(deps: MediaDeps): Media {
  const { store, files, clock } = deps;
  const exclusive = createExclusive();

  /** Files and rows of one hash change one after another, so that pruning never takes a file that is being stored again. */
  async function save(
    chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
    claim: MediaClaim,
    checked: boolean,
  ): Promise<MediaRef> {
    const draft = await files.draft(chunks, deps.maxBytes).catch((error: unknown) => {
      throw asOutage(error);
    });
    try {
      if (draft.sizeBytes === 0) throw new GatewayError('invalid_media', 'The media is empty');
      const { mimeType, extension, lie } = settleType({ head: draft.head, tail: draft.tail, declared: claim.mimeType });
      if (lie && checked)
        throw new GatewayError('invalid_media', `The media is said to be ${claim.mimeType}, but its bytes are not`);
      const media = {
        accountId: claim.accountId,
        sha256: draft.sha256,
        mimeType,
        filename: withExtension(cleanFilename(claim.filename), extension),
      };
      return toRef(await exclusive(draft.sha256, () => commit(draft, media)));
    } catch (error) {
      throw asOutage(error);
    } finally {
      await files.discard(draft);
    }
  }

  async function commit(
    draft: DraftFile,
    media: Pick<StoredMedia, 'accountId' | 'sha256' | 'mimeType' | 'filename'>,
  ): Promise<StoredMedia> {
    if (!(await files.exists(draft.sha256))) await files.keep(draft);
    const known = await store.same(media);
    if (known) {
      await store.touch(known.id, clock.now());
      return known;
    }
    const row = { ...media, id: deps.newId(), sizeBytes: draft.sizeBytes, createdAt: clock.now() };
    await store.insert(row);
    return row;
  }

  async function find(mediaId: string): Promise<StoredMedia> {
    const row = await store.byId(mediaId);
    if (!row || !(await files.exists(row.sha256)))
      throw new GatewayError('not_found', 'The media does not exist any more');
    return row;
  }

  async function removeUnused(sha256s: string[]): Promise<void> {
    for (const sha256 of sha256s) {
      await exclusive(sha256, async () => {
        if (!(await store.used([sha256])).has(sha256)) await files.remove(sha256);
      });
    }
  }

  return {
    saveBytes: ({ bytes, ...claim }) => save([bytes], claim, false),

    async saveBase64({ base64, ...claim }) {
      const { bytes, mimeType } = decodeBase64(base64, deps.maxBytes);
      return save([bytes], { ...claim, mimeType: claim.mimeType ?? mimeType }, true);
    },

    async saveUrl({ url, ...claim }) {
      const file = await deps.outbound.download(url, {
        maxBytes: deps.maxBytes,
        timeoutMs: fetchTimeoutMs,
      });
      // What the server says of the type is often wrong and not the caller's doing: only the caller's own word is held against the bytes.
      const checked = Boolean(claim.mimeType);
      return save(
        file.stream as AsyncIterable<Buffer>,
        { ...claim, mimeType: claim.mimeType ?? file.mimeType, filename: claim.filename ?? file.filename },
        checked,
      );
    },

    async get(mediaId) {
      const row = await find(mediaId);
      return { ...toRef(row), path: files.path(row.sha256) };
    },

    async readBase64(mediaId) {
      const row = await find(mediaId);
      return (await files.read(row.sha256)).toString('base64');
    },

    signedUrl(mediaId) {
      const expires = Math.floor(clock.now() / 1000) + linkSeconds;
      return `${deps.publicUrl}/media/${mediaId}?expires=${expires}&signature=${deps.secrets.sign(linkText(mediaId, String(expires)))}`;
    },

    async open(mediaId, expires, signature) {
      if (!deps.secrets.verify(linkText(mediaId, String(expires)), signature))
        throw new GatewayError('forbidden', 'The link is not valid');
      if (Number(expires) * 1000 < clock.now()) throw new GatewayError('forbidden', 'The link has expired');
      const row = await find(mediaId);
      const { mimeType, filename, sizeBytes } = toRef(row);
      return { stream: files.stream(row.sha256), mimeType, sizeBytes, ...(filename ? { filename } : {}) };
    },

    async prune(now) {
      const before = now - deps.retentionDays * dayMs;
      let removed = 0;
      for (;;) {
        const rows = await store.olderThan(before, pruneBatch);
        if (rows.length === 0) break;
        for (const sha256 of new Set(rows.map((row) => row.sha256))) {
          const ids = rows.filter((row) => row.sha256 === sha256).map((row) => row.id);
          removed += await exclusive(sha256, () => store.remove(ids, before));
          await removeUnused([sha256]);
        }
      }
      for await (const sha256s of files.sweep(now - dayMs)) {
        const used = await store.used(sha256s);
        await removeUnused(sha256s.filter((sha256) => !used.has(sha256)));
      }
      return removed;
    },
  };
}

/** A full disk is told as such, to callers and in `mediaError`; what is not known stays what it is. */
function asOutage(error: unknown): unknown {
  const failure = toGatewayError(error);
  return failure.code === 'internal_error' ? error : failure;
}

function linkText(mediaId: string, expires: string): string {
  return `media ${mediaId} ${expires}`;
}

function toRef(row: StoredMedia): MediaRef {
  return {
    mediaId: row.id,
    mimeType: row.mimeType,
    sizeBytes: row.sizeBytes,
    ...(row.filename ? { filename: row.filename } : {}),
  };
}

/** A name without an extension gets the one that the bytes tell. */
function withExtension(filename: string | null, extension: string | null): string | null {
  if (filename === null || extension === null || /\.[\p{L}\p{N}]{1,10}$/u.test(filename)) return filename;
  return `${filename}.${extension}`;
}

/** Returns a function that runs the works of one key one after another. */
function createExclusive(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work, work);
    last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (last.get(key) === turn) last.delete(key);
    }
  };
}
