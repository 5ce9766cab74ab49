import { type Authorization, parseAuthorization } from '../../http/auth.ts';
import type { ApiRequest } from '../../http/request.ts';
import { GatewayError } from '../../model/errors.ts';
import type { Caller } from '../../model/token.ts';
import type { Core } from '../core.ts';

/**
 * Returns the dialect's authentication: `token key:secret`, `Basic` of the same, and `Bearer key:secret`, since the source calls
 * its token a bearer token. No header is a guest; anything else that does not lead to a token is refused, also on unknown paths
 * (frappe-wire 1.1). Only the header counts: ERPNext's OTP call repeats it as a form field, which is never looked at.
 */
export function createAuthenticate(tokens: Core['tokens']): (request: ApiRequest) => Promise<Caller | null> {
  return async (request) => {
    const authorization = parseAuthorization(request.headers.authorization);
    if (authorization.scheme === 'none') return null;
    if (authorization.scheme === 'broken_basic')
      throw new GatewayError('malformed_body', 'The Basic credentials are not valid base64', {
        details: { frappe: 'broken_basic' },
      });
    const pair = pairOf(authorization);
    const caller = pair && (await tokens.authenticate(pair.key, pair.secret));
    if (!caller) throw new GatewayError('unauthenticated', 'Authentication failed: the API key or secret is not valid');
    return caller;
  };
}

function pairOf(authorization: Authorization): { key: string; secret: string } | null {
  const read = authorization.scheme === 'bearer' ? parseAuthorization(`token ${authorization.token}`) : authorization;
  return read.scheme === 'pair' ? read : null;
}
