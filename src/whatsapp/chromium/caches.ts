import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What the browser makes anew when it is missing; the names are those of Chromium's profile layout. */
const disposable = [
  'Crashpad',
  'GrShaderCache',
  'GraphiteDawnCache',
  'ShaderCache',
  'component_crx_cache',
  'extensions_crx_cache',
  'Default/DawnGraphiteCache',
  'Default/DawnWebGPUCache',
  'Default/GPUCache',
  'Default/blob_storage',
];

/** Caches that save traffic and time: they go only when they have grown too large. */
const useful = [
  'Default/Cache',
  'Default/Code Cache',
  'Default/Service Worker/CacheStorage',
  'Default/Service Worker/ScriptCache',
];

const usefulBytes = 200 * 1024 * 1024;

/** Bounds what a profile takes on disk: removes the caches that nobody misses, and the others when they hold more than 200 MiB. */
export async function cleanCaches(profileDir: string): Promise<void> {
  const remove = (name: string) => rm(join(profileDir, name), { recursive: true, force: true }).catch(() => undefined);
  await Promise.all(disposable.map(remove));
  const sizes = await Promise.all(useful.map((name) => sizeOf(join(profileDir, name))));
  if (sizes.reduce((sum, size) => sum + size, 0) > usefulBytes) await Promise.all(useful.map(remove));
}

/** Returns the bytes of a file or of everything in a folder; 0 when it is not there. */
export async function sizeOf(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => null);
  if (stats === null) return 0;
  if (!stats.isDirectory()) return stats.size;
  const names = await readdir(path).catch(() => []);
  const sizes = await Promise.all(names.map((name) => sizeOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
