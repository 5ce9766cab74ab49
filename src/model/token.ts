/** What a token may do: everything of its account, or only send (for static parameters that others can read). */
export type TokenScope = 'full' | 'send';

/** A credential of an account. The secret itself is stored hashed and shown once. */
export interface Token {
  id: string;
  accountId: string;
  /** The public half, e.g. the `key` of `key:secret`. */
  key: string;
  /** Last four characters of the secret, to tell tokens apart. */
  secretTail: string;
  scope: TokenScope;
  /** When set, the token reaches this instance only. */
  instanceId: string | null;
  title: string;
  createdAt: number;
  lastUsedAt: number | null;
  revokedAt: number | null;
}

/** Who makes a call: an account, through one of its tokens. */
export interface Caller {
  accountId: string;
  token: Token;
  /** The address the call came from; absent when it came from none. */
  ip?: string;
}

/** The title of the tokens that the command line makes for itself, and of what it does without one. No other token may have it. */
export const commandLineTitle = 'command line';

/** Returns a caller that is the account itself, for programs in the same process: no token, no limits. */
export function accountCaller(accountId: string, title = 'the gateway itself'): Caller {
  const token: Token = {
    id: '',
    accountId,
    key: '',
    secretTail: '',
    scope: 'full',
    instanceId: null,
    title,
    createdAt: 0,
    lastUsedAt: null,
    revokedAt: null,
  };
  return { accountId, token };
}
