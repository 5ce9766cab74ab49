import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WebPage } from './webjs/library.ts';

/** A recorded page of WhatsApp Web. */
interface WebVersion {
  /** As the page says it: `2.3000.1043220887`. */
  version: string;
  sizeBytes: number;
  /** Unix ms. */
  recordedAt: number;
  isPinned: boolean;
}

/** Recorded pages of WhatsApp Web: one file each, and which of them is opened. */
export interface WebVersions {
  /** Newest first. */
  list(): Promise<WebVersion[]>;
  has(version: string): Promise<boolean>;
  /** Keeps a page; false when it was there already. Of many only the newest stay, and what is pinned. @throws Error when it is no page */
  save(version: string, html: string): Promise<boolean>;
  /** Makes the next starts open this page. @throws Error when it is not there */
  pin(version: string): Promise<void>;
  /** Makes the next starts open the live page again. */
  unpin(): Promise<void>;
  /** Returns what is to be opened now. */
  page(): Promise<WebPage>;
}

const mostKept = 5;
const pinFile = 'pinned';
const versionPattern = /^[\w.-]{1,64}$/;

/** Returns the pages in a folder, laid out as whatsapp-web.js' LocalWebCache reads it; `forced` outweighs what is pinned there. */
export function createWebVersions({ dir, forced }: { dir: string; forced: string | null }): WebVersions {
  const fileOf = (version: string) => join(dir, `${version}.html`);

  async function pinned(): Promise<string | null> {
    if (forced !== null) return forced;
    const text = await readFile(join(dir, pinFile), 'utf8').catch(() => '');
    return versionPattern.test(text.trim()) ? text.trim() : null;
  }

  async function list(): Promise<WebVersion[]> {
    const names = await readdir(dir).catch(() => []);
    const current = await pinned();
    const found = await Promise.all(
      names.filter((name) => name.endsWith('.html')).map((name) => describe(name.slice(0, -'.html'.length), current)),
    );
    return found.filter((entry) => entry !== null).toSorted((a, b) => b.recordedAt - a.recordedAt);
  }

  async function describe(version: string, current: string | null): Promise<WebVersion | null> {
    // Another one may have removed it meanwhile.
    const file = await stat(fileOf(version)).catch(() => null);
    return file && { version, sizeBytes: file.size, recordedAt: file.mtimeMs, isPinned: version === current };
  }

  /** A crash leaves the old file or the new one, never half of one. */
  async function write(file: string, text: string): Promise<void> {
    await mkdir(dir, { recursive: true });
    const draft = `${file}.${process.pid}.tmp`;
    try {
      await writeFile(draft, text, { flush: true });
      await rename(draft, file);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async function has(version: string): Promise<boolean> {
    return (await describe(version, null)) !== null;
  }

  return {
    list,
    has,

    async save(version, html) {
      if (!versionPattern.test(version)) throw new Error(`${version} is no version of WhatsApp Web`);
      if (!/<html[\s>]/i.test(html)) throw new Error('This is no page of WhatsApp Web');
      if (await has(version)) return false;
      await write(fileOf(version), html);
      const old = (await list()).filter(({ isPinned }) => !isPinned).slice(mostKept);
      for (const entry of old) await rm(fileOf(entry.version), { force: true });
      return true;
    },

    async pin(version) {
      if (!versionPattern.test(version) || !(await has(version)))
        throw new Error(`${version} is not recorded in ${dir}: see \`web-version list\``);
      await write(join(dir, pinFile), `${version}\n`);
    },

    unpin: () => rm(join(dir, pinFile), { force: true }),
    page: async () => ({ version: await pinned(), cacheDir: dir }),
  };
}
