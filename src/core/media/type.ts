/** A kind of file by its first bytes: `at` is where they stand, `.` stands for any byte. */
interface Signature {
  mimeType: string;
  extension: string;
  bytes: string;
  at?: number;
  /** Further bytes that must follow somewhere near the start. */
  and?: { bytes: string; at: number };
}

/** The kinds that WhatsApp knows and the ones that people attach, most telling first. Sources: the formats' own specifications. */
const signatures: readonly Signature[] = [
  { mimeType: 'image/jpeg', extension: 'jpg', bytes: '\xff\xd8\xff' },
  { mimeType: 'image/png', extension: 'png', bytes: '\x89PNG\r\n\x1a\n' },
  { mimeType: 'image/gif', extension: 'gif', bytes: 'GIF8' },
  { mimeType: 'image/webp', extension: 'webp', bytes: 'RIFF', and: { bytes: 'WEBP', at: 8 } },
  { mimeType: 'image/bmp', extension: 'bmp', bytes: 'BM', and: { bytes: '\0\0\0\0', at: 6 } },
  { mimeType: 'image/tiff', extension: 'tif', bytes: 'II*\0' },
  { mimeType: 'image/tiff', extension: 'tif', bytes: 'MM\0*' },
  { mimeType: 'image/heic', extension: 'heic', bytes: 'ftyphei', at: 4 },
  { mimeType: 'image/heic', extension: 'heic', bytes: 'ftyphev', at: 4 },
  { mimeType: 'image/heif', extension: 'heif', bytes: 'ftypmif1', at: 4 },
  { mimeType: 'image/avif', extension: 'avif', bytes: 'ftypavi', at: 4 },
  { mimeType: 'audio/mp4', extension: 'm4a', bytes: 'ftypM4A', at: 4 },
  { mimeType: 'audio/mp4', extension: 'm4a', bytes: 'ftypM4B', at: 4 },
  { mimeType: 'video/3gpp', extension: '3gp', bytes: 'ftyp3g', at: 4 },
  { mimeType: 'video/quicktime', extension: 'mov', bytes: 'ftypqt', at: 4 },
  { mimeType: 'video/mp4', extension: 'mp4', bytes: 'ftyp', at: 4 },
  { mimeType: 'video/x-msvideo', extension: 'avi', bytes: 'RIFF', and: { bytes: 'AVI ', at: 8 } },
  { mimeType: 'audio/wav', extension: 'wav', bytes: 'RIFF', and: { bytes: 'WAVE', at: 8 } },
  { mimeType: 'audio/ogg', extension: 'ogg', bytes: 'OggS' },
  { mimeType: 'audio/flac', extension: 'flac', bytes: 'fLaC' },
  { mimeType: 'audio/amr', extension: 'amr', bytes: '#!AMR' },
  { mimeType: 'audio/mpeg', extension: 'mp3', bytes: 'ID3' },
  { mimeType: 'audio/midi', extension: 'mid', bytes: 'MThd' },
  { mimeType: 'application/pdf', extension: 'pdf', bytes: '%PDF-' },
  { mimeType: 'application/rtf', extension: 'rtf', bytes: '{\\rtf' },
  { mimeType: 'application/gzip', extension: 'gz', bytes: '\x1f\x8b\x08' },
  { mimeType: 'application/x-7z-compressed', extension: '7z', bytes: '7z\xbc\xaf\x27\x1c' },
  { mimeType: 'application/vnd.rar', extension: 'rar', bytes: 'Rar!\x1a\x07' },
  { mimeType: 'application/postscript', extension: 'ps', bytes: '%!PS' },
];

/** Zip files whose directory names one of these are office documents. */
const zipKinds = [
  {
    entry: 'word/',
    mimeType: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    extension: 'docx',
  },
  { entry: 'xl/', mimeType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', extension: 'xlsx' },
  {
    entry: 'ppt/',
    mimeType: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    extension: 'pptx',
  },
] as const;

const storedExtensions: Record<string, string> = {
  'application/vnd.oasis.opendocument.text': 'odt',
  'application/vnd.oasis.opendocument.spreadsheet': 'ods',
  'application/vnd.oasis.opendocument.presentation': 'odp',
  'application/epub+zip': 'epub',
};

/** Containers whose bytes do not tell everything: where both fit, the sender's word is the finer one. */
const kin: readonly { sniffed: RegExp; declared: RegExp }[] = [
  {
    sniffed: /^(audio|video)\/(mp4|3gpp|quicktime)$/,
    declared: /^(audio|video)\/(mp4|m4a|x-m4a|m4v|x-m4v|aac|3gpp2?|quicktime)$/,
  },
  { sniffed: /^(audio|video)\/ogg$/, declared: /^((audio|video)\/(ogg|opus)|application\/ogg)$/ },
  { sniffed: /^video\/(webm|x-matroska)$/, declared: /^(audio|video)\/(webm|x-matroska)$/ },
  { sniffed: /^application\/zip$/, declared: /^application\/(vnd\.[\w.+-]+|java-archive|epub\+zip)$/ },
  { sniffed: /^application\/x-cfb$/, declared: /^application\/(msword|vnd\.ms-[\w.-]+)$/ },
];

/** Types whose bytes always tell them: bytes that tell nothing are not of these types. */
const tellingTypes =
  /^(image\/(jpe?g|png|gif|webp|bmp|tiff|heic|heif|avif)|video\/(mp4|3gpp|quicktime|webm|x-matroska)|audio\/(ogg|mp4|wav|flac|amr)|application\/(pdf|zip|gzip))$/;

/** What the bytes of a file tell of its type. */
interface SniffedType {
  mimeType: string;
  extension: string;
}

/**
 * Returns the type that the bytes themselves tell, null when they tell none (text, and kinds that nobody listed).
 * `head` is the file's first 4 KiB or more, `tail` its last 64 KiB, where a zip keeps its directory.
 */
function sniffType(head: Buffer, tail: Buffer = head): SniffedType | null {
  const start = head.subarray(0, 4096).toString('latin1');
  if (start.startsWith('PK\x03\x04')) return sniffZip(start, tail);
  if (start.startsWith('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1')) return sniffOle(head, tail);
  if (start.startsWith('\x1aE\xdf\xa3'))
    return start.includes('webm') ? kind('video/webm', 'webm') : kind('video/x-matroska', 'mkv');
  if (start.startsWith('OggS') && (start.includes('\x80theora') || start.includes('\x01video')))
    return kind('video/ogg', 'ogv');
  const found = signatures.find(
    ({ bytes, at = 0, and }) => start.startsWith(bytes, at) && (!and || start.startsWith(and.bytes, and.at)),
  );
  if (found) return kind(found.mimeType, found.extension);
  return sniffMpegAudio(head);
}

function sniffZip(start: string, tail: Buffer): SniffedType {
  // OpenDocument and EPUB store their type as the first entry, uncompressed.
  const stored = /^.{30}mimetype(application\/[\w.+-]+?)PK/s.exec(start)?.[1];
  if (stored) return kind(stored, storedExtensions[stored] ?? 'zip');
  const names = start + tail.toString('latin1');
  const office = names.includes('[Content_Types].xml') && zipKinds.find(({ entry }) => names.includes(entry));
  return office ? kind(office.mimeType, office.extension) : kind('application/zip', 'zip');
}

/** The old Office formats share one container; the names of its streams (UTF-16) tell them apart. */
function sniffOle(head: Buffer, tail: Buffer): SniffedType {
  const has = (name: string) => head.includes(name, 0, 'utf16le') || tail.includes(name, 0, 'utf16le');
  if (has('WordDocument')) return kind('application/msword', 'doc');
  if (has('Workbook')) return kind('application/vnd.ms-excel', 'xls');
  if (has('PowerPoint Document')) return kind('application/vnd.ms-powerpoint', 'ppt');
  return kind('application/x-cfb', 'bin');
}

/** MP3 without a tag and AAC (ADTS) begin with twelve set bits; the next ones must be possible. */
function sniffMpegAudio(head: Buffer): SniffedType | null {
  const [first = 0, second = 0, third = 0] = head;
  if (first !== 0xff || (second & 0xf0) !== 0xf0) return null;
  if ((second & 0x06) === 0) return (third & 0x3c) >> 2 < 13 ? kind('audio/aac', 'aac') : null;
  const possible = (second & 0x06) === 0x02 && third >> 4 !== 15 && third >> 4 !== 0 && (third & 0x0c) !== 0x0c;
  return possible ? kind('audio/mpeg', 'mp3') : null;
}

function kind(mimeType: string, extension: string): SniffedType {
  return { mimeType, extension };
}

/** Returns a well-formed type in lower case without parameters, null for anything else. */
function cleanMimeType(text: string | null | undefined): string | null {
  const type = text?.split(';')[0]?.trim().toLowerCase() ?? '';
  return /^[a-z0-9][a-z0-9.+-]{0,63}\/[a-z0-9][a-z0-9.+-]{0,63}$/.test(type) ? type : null;
}

/**
 * Returns the type a file is kept under: what the bytes tell; the sender's word only where they leave it open. `lie` is true when the
 * sender names a type that the bytes are not.
 */
export function settleType(input: { head: Buffer; tail: Buffer; declared: string | null | undefined }): {
  mimeType: string;
  extension: string | null;
  lie: boolean;
} {
  const cleaned = cleanMimeType(input.declared);
  const declared = cleaned === 'application/octet-stream' ? null : cleaned;
  const sniffed = sniffType(input.head, input.tail);
  if (sniffed) {
    if (declared && kin.some((row) => row.sniffed.test(sniffed.mimeType) && row.declared.test(declared)))
      return { ...sniffed, mimeType: declared, lie: false };
    return { ...sniffed, lie: false };
  }
  if (declared && !tellingTypes.test(declared)) return { mimeType: declared, extension: null, lie: false };
  const lie = declared !== null;
  return isText(input.head)
    ? { mimeType: 'text/plain', extension: 'txt', lie }
    : { mimeType: 'application/octet-stream', extension: null, lie };
}

/** Tells whether the bytes read as text: UTF-8 without control characters (the end may be cut within a character). */
function isText(head: Buffer): boolean {
  if (head.some((byte) => byte < 9 || (byte > 13 && byte < 27))) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** Returns a file name that is safe to show and to store: no folders, no control or bidi characters, at most 120 characters; null when nothing is left. */
export function cleanFilename(text: string | null | undefined): string | null {
  const base = (text ?? '').normalize('NFC').split(/[/\\]/).at(-1) ?? '';
  const clean = base
    .replace(/[\p{Cc}\p{Cf}\p{Cs}<>:"|?*]/gu, '')
    .trim()
    .replace(/^\.+/, '')
    .trim();
  if (clean === '') return null;
  const characters = [...clean];
  if (characters.length <= 120) return clean;
  const extension = /\.[\p{L}\p{N}]{1,10}$/u.exec(clean)?.[0] ?? '';
  return characters.slice(0, 120 - extension.length).join('') + extension;
}
