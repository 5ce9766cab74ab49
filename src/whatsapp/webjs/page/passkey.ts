/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { PasskeyAssertion, PasskeyStep } from '../../../model/passkey.ts';
import type { PageRecord } from './records.ts';

/**
 * Runs in the page from its first moment on: notices that WhatsApp asks for the passkey of the number ("shortcake"), tells what has to
 * be signed, and with `isRelay` hands a signed answer to the page in place of the browser's own authenticator. The page's origin stays
 * web.whatsapp.com, so an answer made there on another machine is right here.
 *
 * From the page's WAWebShortcakePasskeyScreen (test ids), WAWebShortcakeLinkingPasskeyPrologue (options come from a cache, the browser is
 * asked with them, a failure empties the cache) and WAWebLinkDeviceEvents. Not tried on a number that WhatsApp asks for a passkey.
 */
export function passkey(page: any, bindingName: string, isRelay: boolean): void {
  if (page.top !== page || page.wapbridgePasskey) return;
  const lookMs = 500;
  const answerMs = 120_000;
  const screen = '[data-testid=shortcake_passkey_screen]';
  const complaint = `${screen} [role=alert]`;
  let isShown = false;
  let isListening = false;
  let told = '';
  let answer: PasskeyAssertion | null = null;
  /** An answer is with the page since then, Unix ms; what became of it is not known. */
  let answeredAt: number | null = null;
  /** The page waits for the browser's authenticator: ends that. */
  let waiting: { challenge: string; resolve(credential: unknown): void } | null = null;

  function tell(step: PasskeyStep): void {
    const records: PageRecord[] = [{ kind: 'passkey', told: step }];
    page[bindingName](JSON.stringify(records));
  }

  const toText = (bytes: any): string =>
    btoa(
      String.fromCharCode(
        ...new Uint8Array(
          bytes.buffer ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : bytes,
        ),
      ),
    )
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replace(/=+$/, '');
  const toBytes = (text: string): ArrayBuffer =>
    Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0)).buffer;

  function required(name: string): any {
    try {
      return page.require(name);
    } catch {
      return null;
    }
  }

  function failed(reason: string): void {
    answeredAt = null;
    answer = null;
    told = '';
    tell({ step: 'failed', reason });
  }

  /** Tells what has to be signed, once for each challenge. */
  function asked(options: string | null): void {
    if (told === (options ?? 'unknown')) return;
    told = options ?? 'unknown';
    tell({ step: 'asked', options });
  }

  async function noticed(): Promise<void> {
    listen();
    let options: string | null = null;
    try {
      const bytes = await required('WAWebShortcakeLinkingRequestOptionsCache')?.getRequestOptions();
      options = bytes ? new TextDecoder().decode(bytes) : null;
    } catch (error) {
      console.error(error);
    }
    asked(options);
  }

  function listen(): void {
    const events = required('WAWebLinkDeviceEvents')?.WAWebLinkDeviceEvents;
    if (isListening || !events) return;
    isListening = true;
    events.on('link_device_events:shortcake_prologue_sent', () => {
      answeredAt = null;
      tell({ step: 'sent' });
    });
    events.on('link_device_events:shortcake_verification_code_ready', (code: string) =>
      tell({ step: 'code', code: String(code) }),
    );
    events.on('link_device_events:shortcake_error', (reason: unknown) => failed(String(reason)));
  }

  function look(): void {
    const isThere = page.document.querySelector(screen) !== null;
    if (isThere && !isShown && answeredAt === null) void noticed();
    if (isShown && !isThere) {
      told = '';
      tell({ step: 'over' });
    }
    isShown = isThere;
    // The page tells nobody that WhatsApp did not take the answer: it only says so on its screen.
    if (answeredAt !== null && Date.now() - answeredAt >= lookMs && page.document.querySelector(complaint)) {
      failed('WhatsApp did not accept the passkey');
      void noticed();
    }
    // Linked: WhatsApp asks for nothing of the kind any more.
    if (page.wapbridge) clearInterval(timer);
  }
  const timer = setInterval(look, lookMs);

  function press(testId: string): boolean {
    const button = page.document.querySelector(`[data-testid=${testId}]`);
    button?.click();
    return button !== null;
  }

  function credentialOf(given: PasskeyAssertion): unknown {
    const { clientDataJSON, authenticatorData, signature, userHandle } = given.response;
    return {
      id: given.id,
      rawId: toBytes(given.rawId),
      type: 'public-key',
      authenticatorAttachment: 'cross-platform',
      response: {
        clientDataJSON: toBytes(clientDataJSON),
        authenticatorData: toBytes(authenticatorData),
        signature: toBytes(signature),
        userHandle: userHandle ? toBytes(userHandle) : null,
      },
      getClientExtensionResults: () => ({}),
      toJSON: () => given,
    };
  }

  const challengeOf = (given: PasskeyAssertion): string =>
    JSON.parse(new TextDecoder().decode(toBytes(given.response.clientDataJSON))).challenge;

  /** The page's request, until an answer fits it or nobody gives one in time. */
  function ceremony(publicKey: any): Promise<unknown> {
    const challenge = toText(publicKey.challenge);
    if (answer && challengeOf(answer) === challenge) {
      const credential = credentialOf(answer);
      answer = null;
      return Promise.resolve(credential);
    }
    const { timeout, rpId, userVerification } = publicKey;
    const allowCredentials = (publicKey.allowCredentials ?? []).map(({ type, id }: any) => ({ type, id: toText(id) }));
    asked(JSON.stringify({ challenge, timeout, rpId, userVerification, allowCredentials }));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        waiting = null;
        failed('timeout');
        reject(new DOMException('The operation either timed out or was not allowed.', 'NotAllowedError'));
      }, answerMs);
      waiting = {
        challenge,
        resolve(credential) {
          clearTimeout(late);
          waiting = null;
          resolve(credential);
        },
      };
    });
  }

  if (isRelay && page.navigator.credentials) {
    const original = page.navigator.credentials.get.bind(page.navigator.credentials);
    page.navigator.credentials.get = (request: any) =>
      request?.publicKey ? ceremony(request.publicKey) : original(request);
  }

  page.wapbridgePasskey = {
    /** WhatsApp has sent its request: the screen follows. */
    noticed: () => void noticed(),
    /** Asks for what has to be signed again; after a failure that is something new. */
    refresh() {
      told = '';
      return noticed();
    },
    /** Hands in a signed answer; false when the page does not ask for one. */
    answer(given: PasskeyAssertion) {
      if (waiting) {
        if (waiting.challenge !== challengeOf(given)) return false;
        answeredAt = Date.now();
        waiting.resolve(credentialOf(given));
        return true;
      }
      answer = given;
      answeredAt = Date.now();
      return press('shortcake_passkey_continue_button');
    },
    /** Says that the code on the phone is the same; false when the page shows none. */
    confirm: () => press('shortcake_code_confirm_button'),
  };
}

/** Returns the script that watches for the passkey step in every document of the page. */
export function passkeyScript(bindingName: string, isRelay: boolean): string {
  return `(${passkey.toString()})(window, ${JSON.stringify(bindingName)}, ${isRelay});`;
}
