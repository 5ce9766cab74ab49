import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** What the gateway's secret key does: it encrypts secrets that must be read back, and signs what leaves the house. */
export interface Secrets {
  /** Returns the text encrypted and authenticated (AES-256-GCM) by the current key, as `v2.`, the key's id and base64url. */
  seal(text: string): string;
  /** Returns the text of one that any of the keys has sealed. @throws Error when it was sealed with another key or changed */
  open(sealed: string): string;
  /** Tells whether it was sealed by the current key, so that it needs no other. */
  isCurrent(sealed: string): boolean;
  /** Returns an HMAC-SHA256 of the text by the current key, base64url. */
  sign(text: string): string;
  /** Tells whether the signature is the text's by any of the keys, in constant time. */
  verify(text: string, signature: string): boolean;
}

/** The key that seals and signs, and those before it, which still open and verify. */
export interface SecretKeys {
  current: string;
  previous: readonly string[];
}

const ivBytes = 12;
const tagBytes = 16;

/** Returns the box of the secret keys; from each, an encryption key and a signing key are derived separately (HKDF-SHA256). */
export function createSecrets(keys: SecretKeys | string): Secrets {
  const { current, previous } = typeof keys === 'string' ? { current: keys, previous: [] } : keys;
  const known = [...new Set([current, ...previous])].map(deriveKeys);
  const [own] = known as [DerivedKeys];
  const prefix = `v2.${own.id}.`;

  return {
    seal(text) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', own.sealing, iv);
      const bytes = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return prefix + Buffer.concat([iv, cipher.getAuthTag(), bytes]).toString('base64url');
    },

    open(sealed) {
      const { keyId, bytes } = parseSealed(sealed);
      // The first form has no key id: whichever key fits.
      const candidates = keyId === null ? known : known.filter(({ id }) => id === keyId);
      let cause: unknown;
      for (const { sealing } of candidates) {
        try {
          return decrypt(bytes, sealing);
        } catch (error) {
          cause = error;
        }
      }
      throw new Error('The secret was sealed with another SECRET_KEY', { cause });
    },

    isCurrent: (sealed) => sealed.startsWith(prefix),
    sign: (text) => hmac(text, own.signing).toString('base64url'),

    verify(text, signature) {
      const given = Buffer.from(signature);
      let isValid = false;
      for (const { signing } of known) {
        const expected = Buffer.from(hmac(text, signing).toString('base64url'));
        if (expected.length === given.length && timingSafeEqual(expected, given)) isValid = true;
      }
      return isValid;
    },
  };
}

interface DerivedKeys {
  id: string;
  sealing: Buffer;
  signing: Buffer;
}

function deriveKeys(secretKey: string): DerivedKeys {
  const derive = (purpose: string, bytes: number) => Buffer.from(hkdfSync('sha256', secretKey, '', purpose, bytes));
  return {
    id: derive('wapbridge key id v2', 6).toString('base64url'),
    sealing: derive('wapbridge seal v1', 32),
    signing: derive('wapbridge sign v1', 32),
  };
}

/** @throws Error when the text has neither form: `v1.<base64url>`, `v2.<key id>.<base64url>` */
function parseSealed(sealed: string): { keyId: string | null; bytes: Buffer } {
  const form = /^(?:v1|v2\.([\w-]{8}))\.([\w-]+)$/.exec(sealed);
  const bytes = Buffer.from(form?.[2] ?? '', 'base64url');
  if (!form || bytes.length < ivBytes + tagBytes) throw new Error('The secret is not sealed in a known form');
  return { keyId: form[1] ?? null, bytes };
}

function decrypt(bytes: Buffer, key: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
  decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8');
}

function hmac(text: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
