/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * The library asks for these modules when it takes a page over, and takes none over that lacks one, though each serves a single
 * purpose: linking by code, a signature that nothing reads, the progress bar. An empty module stands in for one that is gone;
 * what needed it is then missing by name. Source: the library's ExposeAuthStore (Injected/AuthStore).
 */
export const goneModules: Shim = {
  name: 'gone-modules',
  issue: 'none: the library cannot do without',
  stage: 'opened',
  features: [],
  isNeeded(page: any) {
    return ['WAWebAltDeviceLinkingApi', 'WAWebAdvSignatureApi', 'WAWebOfflineHandler'].some((name) => {
      try {
        return !page.require(name);
      } catch {
        return true;
      }
    });
  },
  apply(page: any) {
    const optional = new Set(['WAWebAltDeviceLinkingApi', 'WAWebAdvSignatureApi', 'WAWebOfflineHandler']);
    const load = page.require;
    page.require = (name: string, ...rest: any[]) => {
      if (!optional.has(name)) return load(name, ...rest);
      try {
        return load(name, ...rest) ?? {};
      } catch {
        return {};
      }
    };
  },
};
