import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the gateway's secret key does: it encrypts secrets that must be read back, and signs what leaves the house. */
export interface Secrets {
  /** Returns the text encrypted and authenticated (AES-256-GCM), as `v1.` and base64url. */
  seal(text: string): string;
  /** Returns the text of a sealed one. @throws Error when it was sealed with another key or changed */
  open(sealed: string): string;
  /** Returns an HMAC-SHA256 of the text, base64url. */
  sign(text: string): string;
  /** Tells whether the signature is the text's, in constant time. */
  verify(text: string, signature: string): boolean;
}

const sealVersion = 'v1.';
const ivBytes = 12;
const tagBytes = 16;

/** Returns the box of a secret key; its encryption key and its signing key are derived from it separately (HKDF-SHA256). */
export function createSecrets(secretKey: string): Secrets {
  const sealingKey = deriveKey(secretKey, 'wapbridge seal v1');
  const signingKey = deriveKey(secretKey, 'wapbridge sign v1');

  function sign(text: string): string {
    return createHmac('sha256', signingKey).update(text).digest('base64url');
  }

  return {
    seal(text) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', sealingKey, iv);
      const bytes = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return sealVersion + Buffer.concat([iv, cipher.getAuthTag(), bytes]).toString('base64url');
    },

    open(sealed) {
      const bytes = Buffer.from(sealed.slice(sealVersion.length), 'base64url');
      if (!sealed.startsWith(sealVersion) || bytes.length < ivBytes + tagBytes)
        throw new Error('The secret is not sealed in a known form');
      const decipher = createDecipheriv('aes-256-gcm', sealingKey, bytes.subarray(0, ivBytes), {
        authTagLength: tagBytes,
      });
      decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8');
      } catch (error) {
        throw new Error('The secret was sealed with another SECRET_KEY', { cause: error });
      }
    },

    sign,

    verify(text, signature) {
      const [expected, given] = [Buffer.from(sign(text)), Buffer.from(signature)];
      return expected.length === given.length && timingSafeEqual(expected, given);
    },
  };
}

/**
 * Returns the secret key: the configured one, else the one kept in `DATA_DIR/secret.key`, which is made (readable by its owner only)
 * when it is not there.
 * @throws Error when the file does not hold a key
 */
export async function readSecretKey({
  secretKey,
  dataDir,
}: {
  secretKey: string | null;
  dataDir: string;
}): Promise<string> {
  if (secretKey !== null) return secretKey;
  const path = join(dataDir, 'secret.key');
  const kept = await readKeyFile(path);
  if (kept !== null) return kept;

  await mkdir(dataDir, { recursive: true });
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'w', flush: true });
  // A link never replaces a key that another process has made in the meantime.
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(draft, { force: true });
  return (await readKeyFile(path)) ?? '';
}

async function readKeyFile(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const key = text.trim();
  if (key.length < 32) throw new Error(`${path} does not hold a secret key of at least 32 characters`);
  return key;
}

function deriveKey(secretKey: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey, '', purpose, 32));
}
