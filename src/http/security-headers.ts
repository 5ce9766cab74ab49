/**
 * What every answer tells browsers, whoever asked for it: nothing here is to be framed, sniffed, run or embedded elsewhere.
 * Answers that need more (the phone simulator, media files) say so themselves.
 */
const everywhere = {
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-DNS-Prefetch-Control': 'off',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
};

/** Half a year. Subdomains are somebody else's business. */
const overHttps = { 'Strict-Transport-Security': 'max-age=15552000' };

/** Files go into other sites' pages by their signed links, and run nothing there. */
export const fileHeaders = {
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

/** Returns the headers of every answer; those that bind browsers to HTTPS only where that is how the gateway is reached. */
export function securityHeaders(publicUrl: string): Record<string, string> {
  return publicUrl.startsWith('https:') ? { ...everywhere, ...overHttps } : everywhere;
}
