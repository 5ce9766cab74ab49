import type { Method } from '../../http/route.ts';

/** By what a call that changes nothing may come: Frappe answers its methods to all of these. */
export const reading: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE'];

/** Frappe's default methods without GET: nothing that follows a link may change anything. */
export const changing: readonly Method[] = ['POST', 'PUT', 'DELETE'];
