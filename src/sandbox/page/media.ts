import type { Model, MsgModel, SandboxPage } from './page.ts';

/** Files: preparation, upload, download. Bytes go through unchanged (the real page re-encodes pictures). */
export function defineMedia(page: SandboxPage): void {
  const THUMB_PIXELS = 100;
  const CACHE_FILES = 8;
  const hash = async (bytes: ArrayBuffer): Promise<string> =>
    btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))));

  /** The last few files that were up- or downloaded, by filehash. */
  const cache = new Map<string, ArrayBuffer>();
  function remember(filehash: string, bytes: ArrayBuffer): void {
    cache.delete(filehash);
    cache.set(filehash, bytes);
    for (const key of cache.keys()) if (cache.size > CACHE_FILES) cache.delete(key);
  }

  class OpaqueData {
    #blob: Blob;
    #url?: string;

    constructor(blob: Blob) {
      this.#blob = blob;
    }
    static async createFromData(data: Blob | ArrayBuffer, type: string): Promise<OpaqueData> {
      return new OpaqueData(data instanceof File ? data : new File([data], '', { type }));
    }
    static async createFromBlob(blob: Blob): Promise<OpaqueData> {
      return new OpaqueData(blob);
    }
    get type(): string {
      return this.#blob.type;
    }
    get size(): number {
      return this.#blob.size;
    }
    get filename(): string | undefined {
      return this.#blob instanceof File ? this.#blob.name : undefined;
    }
    url(): string {
      this.#url ??= URL.createObjectURL(this.#blob);
      return this.#url;
    }
    formData(): Blob {
      return this.#blob;
    }
    forceToBlob(): Blob {
      return this.#blob;
    }
    retain(): void {}
    release(): void {}
    autorelease(): this {
      const url = this.#url;
      if (url !== undefined) setTimeout(() => URL.revokeObjectURL(url), 1000);
      return this;
    }
  }
  page.define('WAWebMediaOpaqueData', OpaqueData);

  const MediaData = page.Model as new (values: Record<string, unknown>) => Model & Record<string, unknown>;

  async function picture(blob: Blob): Promise<Record<string, unknown>> {
    const bitmap = await createImageBitmap(blob).catch(() => {
      throw Object.assign(new Error('Image tag load error'), { name: 'InvalidImageFileType' });
    });
    const scale = Math.min(1, THUMB_PIXELS / Math.max(bitmap.width, bitmap.height));
    const canvas = new OffscreenCanvas(Math.max(1, bitmap.width * scale), Math.max(1, bitmap.height * scale));
    canvas.getContext('2d')?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const thumb = await (await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.5 })).arrayBuffer();
    const size = { fullWidth: bitmap.width, fullHeight: bitmap.height, width: bitmap.width, height: bitmap.height };
    bitmap.close();
    return { ...size, preview: btoa(String.fromCharCode(...new Uint8Array(thumb))) };
  }

  interface PrepOptions {
    asSticker?: boolean;
    asGif?: boolean;
    isPtt?: boolean;
    asDocument?: boolean;
  }

  function kindOf(mimetype: string, { asSticker, asDocument, isPtt }: PrepOptions): string {
    const family = mimetype.split('/')[0];
    if (asDocument) return 'document';
    if (family === 'image') return asSticker ? 'sticker' : 'image';
    if (family === 'audio') return isPtt ? 'ptt' : 'audio';
    return family === 'video' ? 'video' : 'document';
  }

  async function prepare(file: OpaqueData, options: PrepOptions): Promise<Model> {
    const mimetype = file.type || 'application/octet-stream';
    const type = kindOf(mimetype, options);
    const bytes = await file.formData().arrayBuffer();
    const filehash = await hash(bytes);
    remember(filehash, bytes);
    return new MediaData({
      ...(page.config.drift.includes('stale-media-id') ? { __x_id: '1' } : {}),
      type,
      mimetype,
      size: file.size,
      filehash,
      mediaBlob: file,
      ...(type === 'video' && options.asGif ? { isGif: true } : {}),
      ...(type === 'document' ? { filename: file.filename || 'document' } : {}),
      ...(type === 'image' || type === 'sticker' ? await picture(file.formData()) : {}),
    });
  }
  page.define('WAWebPrepRawMedia', {
    prepRawMedia(file: OpaqueData, options: PrepOptions = {}) {
      const prepared = prepare(file, options);
      return { waitForPrep: () => prepared };
    },
  });

  const objects = new Map<string, Record<string, unknown>>();
  page.define('WAWebMediaStorage', {
    getOrCreateMediaObject(filehash: string) {
      const known = objects.get(filehash) ?? {
        filehash,
        contentInfo: {},
        consolidate(values: Record<string, unknown>) {
          const { type, size, mimetype } = values;
          Object.assign(this, { type, size, mimetype });
        },
      };
      if (objects.size > CACHE_FILES) objects.clear();
      objects.set(filehash, known);
      return known;
    },
  });
  page.define('WAWebMmsMediaTypes', {
    msgToMediaType: ({ type, isGif }: { type: string; isGif?: boolean }) => (isGif ? 'gif' : type),
    castToV4: (type: string) => type,
  });
  page.define('WAWebMediaDataUtils', {
    shouldUseMediaCache: (type: string) => ['image', 'ptt', 'sticker'].includes(type),
  });
  page.define('WAWebMediaInMemoryBlobCache', { InMemoryMediaBlobCache: { put: () => undefined } });
  page.define('WAMediaCalculateFilehash', {
    getRandomFilehash: async () => hash(crypto.getRandomValues(new Uint8Array(32)).buffer),
  });

  interface Ticket {
    directPath: string;
    mediaKey: string;
    mediaKeyTimestamp: number;
    encFilehash: string;
  }

  async function upload(bytes: ArrayBuffer): Promise<Record<string, unknown>> {
    const ticket = (await page.network.upload(bytes)) as unknown as Ticket;
    const url = `https://mmg.whatsapp.net${ticket.directPath}`;
    return { ...ticket, mmsUrl: url, deprecatedMms3Url: url, uploadHash: ticket.encFilehash };
  }

  page.define('WAWebMediaMmsV4Upload', {
    async uploadMedia({ mediaObject }: { mediaObject: { filehash: string } }) {
      const bytes = cache.get(mediaObject.filehash);
      if (!bytes) throw new Error('uploadMedia: the file is gone');
      return { mediaEntry: await upload(bytes), kind: 'success' };
    },
  });
  page.define('WAWebUploadManager', {
    async encryptAndUpload({ blob }: { blob: Blob }) {
      const { mmsUrl, ...entry } = await upload(await blob.arrayBuffer());
      return { ...entry, url: mmsUrl };
    },
  });
  page.define('WAWebStartMediaUploadQpl', { startMediaUploadQpl: () => ({}) });
  page.define('WAWebMediaUpdateMsg', () => undefined);

  /** A measurement (QPL): what the page itself asks of it. */
  interface Measurement {
    addAnnotations(values: object): unknown;
    addPoint(name: string, values?: object): unknown;
    getQPLAttrs(): { markerId: number; instanceKey: number };
    isActive(): boolean;
  }

  interface DownloadOptions {
    directPath?: string;
    encFilehash?: string;
    filehash: string;
    mediaKey?: string;
    type: string;
    mimetype?: string;
    downloadQpl: Measurement;
  }

  /** As WAWebMmsMediaTypes.getValidMimeTypes; other kinds may have any type but SVG. */
  const VIDEO_TYPES = ['video/mp4', 'video/3gpp'];
  const SOUND_TYPES = ['audio/ogg; codecs=opus', 'audio/mp4', 'audio/mpeg', 'audio/aac', 'audio/amr'];
  const VALID_TYPES: Record<string, string[]> = {
    image: ['image/jpeg', 'image/png', 'image/webp'],
    sticker: ['image/webp', 'image/png'],
    video: VIDEO_TYPES,
    gif: VIDEO_TYPES,
    audio: SOUND_TYPES,
    ptt: SOUND_TYPES,
  };

  function assertValid(type: string, mimetype = 'application/octet-stream'): void {
    const valid = VALID_TYPES[type];
    if (valid ? valid.includes(mimetype) : mimetype !== 'image/svg+xml') return;
    throw Object.assign(new Error(`Unexpected mimetype ${mimetype} for media type ${type}`), {
      name: 'InvalidMediaFileType',
    });
  }

  /** What the worker is told of the measurement (WAWebMainThreadQplHandler.serializeQplForBridge). */
  function serializeMeasurement(measurement: Measurement): { markerId: number; instanceKey: number } {
    const { markerId, instanceKey } = measurement.getQPLAttrs();
    measurement.isActive();
    return { markerId, instanceKey };
  }

  async function downloadAndMaybeDecrypt(options: DownloadOptions): Promise<ArrayBuffer> {
    const { directPath, encFilehash, filehash, mediaKey, mimetype, type } = options;
    if (page.config.drift.includes('media-needs-mimetype')) assertValid(type, mimetype);
    options.downloadQpl.addAnnotations({ string: { mediaType: type } });
    if (mediaKey === undefined) throw new Error(`decryptMedia: missing key for type ${type}`);
    if (encFilehash === undefined || directPath === undefined)
      throw new Error(`decryptMedia: missing encFilehash for type ${type}`);
    const isDecrypted = page.config.drift.includes('media-worker');
    if (isDecrypted) serializeMeasurement(options.downloadQpl);
    const bytes = (isDecrypted ? undefined : cache.get(filehash)) ?? (await page.network.download(directPath));
    if ((await hash(bytes)) !== filehash) throw new Error('MediaHashMismatch');
    remember(filehash, bytes);
    return bytes;
  }
  page.define('WAWebDownloadManager', { downloadManager: { downloadAndMaybeDecrypt } });

  /** What `msg.downloadMedia()` does: fetches the file and says in `mediaStage` how it went. */
  page.fetchMedia = async (msg: MsgModel) => {
    const mediaData = msg['mediaData'] as { mediaStage: string };
    mediaData.mediaStage = 'FETCHING';
    const downloadQpl: Measurement = {
      addAnnotations: () => undefined,
      addPoint: () => undefined,
      getQPLAttrs: () => ({ markerId: 1, instanceKey: 1 }),
      isActive: () => true,
    };
    try {
      await downloadAndMaybeDecrypt({ ...(msg.serialize() as unknown as DownloadOptions), downloadQpl });
      mediaData.mediaStage = 'RESOLVED';
    } catch {
      mediaData.mediaStage = 'ERROR_MISSING';
    }
  };
}
