import type { SandboxPage } from './page.ts';

/**
 * The passkey step of linking ("shortcake"), as WhatsApp Web does it: the server's request shows a screen; its button asks the browser
 * for a passkey; then the phone is waited for, and a code is compared. Modules, events, stages and test ids as in the real page.
 */
export function definePasskey(page: SandboxPage): void {
  const CODE_STAGE = 'WaitingForVerificationCodeConfirmation';
  const stages = ['NotStarted', 'Initialized', 'WaitingForPrimaryIdentity', CODE_STAGE, 'WaitingForPairingCompletion'];
  let stage = 'NotStarted';
  let verificationCode: string | null = null;
  let cached: Promise<Uint8Array> | undefined;

  const events = page.newEmitter();
  page.define('WAWebLinkDeviceEvents', { WAWebLinkDeviceEvents: events });

  page.define('WAWebShortcakeLinkingRequestOptionsCache', {
    getRequestOptions(): Promise<Uint8Array> {
      cached ??= page.network
        .ask('passkey_options')
        .then((options) => new TextEncoder().encode(JSON.stringify(options)));
      return cached;
    },
    clearCachedRequestOptions() {
      cached = undefined;
    },
  });

  async function confirmVerificationCode(): Promise<void> {
    if (stage !== CODE_STAGE) throw new Error(`Shortcake: unexpected stage ${stage}`);
    stage = 'WaitingForPairingCompletion';
    await page.network.ask('passkey_confirm');
    show(null);
  }
  page.define('WAWebShortcakeLinkingApi', {
    ShortcakeLinkingStage: Object.fromEntries(stages.map((name) => [name, name])),
    getShortcakeLinkingStage: () => stage,
    getVerificationCode: () => verificationCode,
    confirmVerificationCode,
  });

  const fromBase64Url = (text: string): Uint8Array =>
    Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
  const toBase64Url = (bytes: ArrayBuffer): string =>
    btoa(String.fromCharCode(...new Uint8Array(bytes)))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replace(/=+$/, '');

  async function executePasskeyPrologue(): Promise<void> {
    const cache = page.require<{ getRequestOptions(): Promise<Uint8Array>; clearCachedRequestOptions(): void }>(
      'WAWebShortcakeLinkingRequestOptionsCache',
    );
    try {
      const options = JSON.parse(new TextDecoder().decode(await cache.getRequestOptions()));
      options.challenge = fromBase64Url(options.challenge);
      for (const credential of options.allowCredentials) credential.id = fromBase64Url(credential.id);
      const credential = (await navigator.credentials.get({ publicKey: options })) as PublicKeyCredential | null;
      if (credential?.type !== 'public-key') throw new Error('WebAuthn ceremony returned no credential');
      const { clientDataJSON, authenticatorData, signature, userHandle } =
        credential.response as AuthenticatorAssertionResponse;
      stage = 'Initialized';
      const { code } = await page.network.ask<{ code: string }>('passkey_prologue', {
        assertion: {
          id: credential.id,
          rawId: toBase64Url(credential.rawId),
          type: credential.type,
          response: {
            clientDataJSON: toBase64Url(clientDataJSON),
            authenticatorData: toBase64Url(authenticatorData),
            signature: toBase64Url(signature),
            userHandle: userHandle ? toBase64Url(userHandle) : null,
          },
        },
      });
      stage = 'WaitingForPrimaryIdentity';
      events.trigger('link_device_events:shortcake_prologue_sent');
      stage = CODE_STAGE;
      verificationCode = code;
      events.trigger('link_device_events:shortcake_verification_code_ready', code, false);
    } catch (error) {
      cache.clearCachedRequestOptions();
      stage = 'NotStarted';
      throw error;
    }
  }

  // ---- the screen ----

  function show(card: Node | null): void {
    document.querySelector('[data-testid=shortcake_passkey_screen]')?.remove();
    if (!card) return;
    const screen = document.createElement('div');
    screen.dataset['testid'] = 'shortcake_passkey_screen';
    screen.append(card);
    document.body.append(screen);
  }

  function card(testId: string, text: Node | string, button: { testId: string; text: string; onClick(): void }): Node {
    const element = document.createElement('div');
    element.dataset['testid'] = testId;
    const press = document.createElement('button');
    press.dataset['testid'] = button.testId;
    press.textContent = button.text;
    press.addEventListener('click', button.onClick);
    element.append(text, press);
    return element;
  }

  function showPrompt(complaint?: string): void {
    const onClick = (): void => {
      showPrompt();
      executePasskeyPrologue().catch((error: unknown) => {
        console.error(error);
        showPrompt('Something went wrong');
      });
    };
    const button = { testId: 'shortcake_passkey_continue_button', text: 'Continue', onClick };
    const alert = document.createElement('span');
    if (complaint !== undefined) Object.assign(alert, { role: 'alert', textContent: complaint });
    show(card('shortcake_passkey_prompt_card', complaint === undefined ? 'Use your passkey' : alert, button));
  }

  events.on('link_device_events:shortcake_verification_code_ready', (code: string) => {
    const onClick = (): void => void confirmVerificationCode().catch((error: unknown) => console.error(error));
    const button = { testId: 'shortcake_code_confirm_button', text: 'Confirm', onClick };
    show(card('shortcake_code_matching_card', code, button));
  });
  events.on('link_device_events:shortcake_error', () => showPrompt('Something went wrong'));

  page.wap['notification'] = ({ type }) => {
    if (type === 'passkey_prologue_request') showPrompt();
  };
}
