import { Router } from '@koa/router';
import type { Params } from './request.ts';
import type { Method, Route } from './route.ts';

/** What a route table says of a method and path. */
export interface Match {
  /** The route that takes both; null when only the path fits. */
  route: Route | null;
  /** Path parameters, decoded. */
  params: Params;
  /** Every method the path takes, with HEAD where a route is safe. */
  allowed: string[];
}

/** Looks up routes by method and path. */
interface RouteTable {
  /** Returns null when no route has this path. */
  find(method: string, path: string): Match | null;
}

/** Returns the look-up over a dialect's routes; a final slash makes no difference. */
export function createRouteTable(routes: readonly Route[]): RouteTable {
  const router = new Router();
  const byLayer = new Map<unknown, Route>();
  for (const route of routes)
    byLayer.set(
      router.register(route.path, [...route.methods], () => undefined),
      route,
    );

  function find(method: string, path: string): Match | null {
    const layers = router.match(path, method).path;
    if (layers.length === 0) return null;
    const candidates = layers.flatMap((layer) => {
      const route = byLayer.get(layer);
      return route ? [{ layer, route }] : [];
    });
    const hit = candidates.find(({ route }) => methodsOf(route).includes(method));
    return {
      route: hit?.route ?? null,
      params: hit ? hit.layer.params(path, hit.layer.captures(path)) : {},
      allowed: [...new Set(candidates.flatMap(({ route }) => methodsOf(route)))],
    };
  }

  return { find };
}

/** HEAD is answered where running the route changes nothing; the router's own idea of it would send messages. */
function methodsOf(route: Route): string[] {
  const methods: readonly Method[] = route.methods;
  return route.safe && methods.includes('GET') ? [...methods, 'HEAD'] : [...methods];
}
