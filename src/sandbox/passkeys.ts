import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import type { Session } from './exchange.ts';

/** What a page asks a passkey for: `PublicKeyCredentialRequestOptions` with bytes as base64url. */
export interface PasskeyOptions {
  challenge: string;
  rpId: string;
  timeout: number;
  userVerification: 'required';
  allowCredentials: { type: 'public-key'; id: string }[];
}

/** A signed answer, as a page sends it: bytes as base64url. */
export interface PasskeyAssertion {
  id: string;
  rawId: string;
  type: 'public-key';
  response: { clientDataJSON: string; authenticatorData: string; signature: string; userHandle: string | null };
}

/** The passkeys of simulated people: what a number that has one is asked for when a device is linked. */
export interface Passkeys {
  options(session: Session, phone: string): PasskeyOptions;
  /** @throws Error when the answer is not signed by the person's passkey for what this page was asked */
  check(session: Session, phone: string, assertion: PasskeyAssertion): void;
  /** Signs as the person's own device does on the page's site. */
  sign(phone: string, options: PasskeyOptions, origin?: string): PasskeyAssertion;
  forget(session: Session): void;
}

const RP_ID = 'whatsapp.com';
const ORIGIN = 'https://web.whatsapp.com';
/** User present, user verified. */
const FLAGS = 0x05;

const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();

/** Makes the passkeys; a person gets one on first mention. */
export function createPasskeys(): Passkeys {
  const people = new Map<string, { id: string; privateKey: KeyObject; publicKey: KeyObject }>();
  const asked = new Map<Session, string>();

  function passkeyOf(phone: string): { id: string; privateKey: KeyObject; publicKey: KeyObject } {
    const known = people.get(phone) ?? {
      id: randomBytes(16).toString('base64url'),
      ...generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    };
    people.set(phone, known);
    return known;
  }

  return {
    options(session, phone) {
      const challenge = randomBytes(32).toString('base64url');
      asked.set(session, challenge);
      const allowCredentials = [{ type: 'public-key' as const, id: passkeyOf(phone).id }];
      return { challenge, rpId: RP_ID, timeout: 120_000, userVerification: 'required', allowCredentials };
    },
    check(session, phone, { id, response }) {
      const passkey = passkeyOf(phone);
      const data = Buffer.from(response.authenticatorData, 'base64url');
      const clientJson = Buffer.from(response.clientDataJSON, 'base64url');
      const client = JSON.parse(clientJson.toString()) as { type: string; challenge: string; origin: string };
      const signed = Buffer.concat([data, sha256(clientJson)]);
      const isRight =
        id === passkey.id &&
        client.type === 'webauthn.get' &&
        client.challenge === asked.get(session) &&
        client.origin === ORIGIN &&
        data.subarray(0, 32).equals(sha256(RP_ID)) &&
        ((data[32] ?? 0) & FLAGS) === FLAGS &&
        verify('sha256', signed, passkey.publicKey, Buffer.from(response.signature, 'base64url'));
      asked.delete(session);
      if (!isRight) throw new Error('The passkey does not fit');
    },
    sign(phone, { challenge }, origin = ORIGIN) {
      const { id, privateKey } = passkeyOf(phone);
      const client = Buffer.from(JSON.stringify({ type: 'webauthn.get', challenge, origin, crossOrigin: false }));
      const data = Buffer.concat([sha256(RP_ID), Buffer.from([FLAGS, 0, 0, 0, 1])]);
      const signature = sign('sha256', Buffer.concat([data, sha256(client)]), privateKey);
      const response = {
        clientDataJSON: client.toString('base64url'),
        authenticatorData: data.toString('base64url'),
        signature: signature.toString('base64url'),
        userHandle: Buffer.from(phone).toString('base64url'),
      };
      return { id, rawId: id, type: 'public-key', response };
    },
    forget: (session) => void asked.delete(session),
  };
}
