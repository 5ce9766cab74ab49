import type { Login, SandboxPage } from './page.ts';

/** Who this device is: keys, the linked account, and the modules that tell them. */
export function defineLogin(page: SandboxPage): void {
  const encode = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
  const decode = (text: string): Uint8Array => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const randomKey = (): string => encode(crypto.getRandomValues(new Uint8Array(32)));

  page.login = { device: randomKey(), identity: randomKey(), secret: randomKey() } satisfies Login;

  const mePn = (): ReturnType<SandboxPage['mePn']> => page.login.me && page.createWid(`${page.login.me.phone}@c.us`);
  const meLid = (): ReturnType<SandboxPage['meLid']> => page.login.me && page.createWid(`${page.login.me.lid}@lid`);
  const required = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('me is undefined');
    return value;
  };
  page.mePn = mePn;
  page.meLid = meLid;

  const isMe = (wid: { user?: string } | undefined): boolean =>
    wid?.user !== undefined && (wid.user === page.login.me?.phone || wid.user === page.login.me?.lid);

  page.define('WAWebUserPrefsMeUser', {
    getMaybeMePnUser: mePn,
    getMaybeMeLidUser: meLid,
    getMaybeMeUser: mePn,
    getMeUser: () => required(mePn()),
    getMePnUserOrThrow_DO_NOT_USE: () => required(mePn()),
    getMeLidUserOrThrow: () => required(meLid()),
    getMeDevicePn: () => page.login.me && page.createWid(`${page.login.me.phone}:${page.login.me.number}@c.us`),
    isMePrimary: isMe,
    isMeAccount: isMe,
  });
  page.define('WABase64', { encodeB64: encode, decodeB64: decode });
  page.define('WAWebCompanionRegClientUtils', { DEVICE_PLATFORM: '1' });
  page.define('WAWebAdvSignatureApi', {});
  page.define('WAWebUserPrefsInfoStore', {
    waNoiseInfo: { get: async () => ({ staticKeyPair: { pubKey: decode(page.login.device) } }) },
  });
  page.define('WAWebSignalStoreApi', {
    waSignalStore: {
      getRegistrationInfo: async () => ({
        registrationId: 1,
        identityKeyPair: { pubKey: decode(page.login.identity) },
      }),
    },
  });
  page.define('WAWebUserPrefsMultiDevice', { getADVSecretKey: () => page.login.secret });
}
