import { describe, expect, it } from 'vitest';
import { browserArgs, sandboxPossible, type SandboxProbe } from '../../../src/whatsapp/chromium/flags.ts';

describe('browserArgs', () => {
  const args = (input: Partial<Parameters<typeof browserArgs>[0]> = {}) =>
    browserArgs({ kind: 'shell', sandboxPossible: true, instanceId: 'INST-01-0000001', ...input });

  it('keeps the sandbox where it is possible', () => {
    expect(args()).not.toContain('--no-sandbox');
    expect(args({ sandboxPossible: false })).toContain('--no-sandbox');
  });

  it('never fuses full Chromium to the point where it is not safe', () => {
    expect(args({ kind: 'chromium', sandboxPossible: false })).not.toContain('--no-zygote');
    expect(args({ kind: 'shell', sandboxPossible: true })).not.toContain('--no-zygote');
    expect(args()).not.toContain('--single-process');
  });

  it('joins the features of CHROMIUM_ARGS to its own, because Chromium obeys one switch only', () => {
    const result = args({ extra: ['--disable-features=Foo,Bar', '--proxy-server=http://127.0.0.1:3128'] });
    const features = result.filter((arg) => arg.startsWith('--disable-features='));
    expect(features).toHaveLength(1);
    expect(features[0]).toMatch(/Translate.*,Foo,Bar$/);
    expect(result.at(-1)).toBe('--proxy-server=http://127.0.0.1:3128');
  });

  it('marks the browser with its instance', () => {
    expect(args()).toContain('--wapbridge-instance=INST-01-0000001');
  });
});

describe('sandboxPossible', () => {
  const probe = (changes: Partial<SandboxProbe>): SandboxProbe => ({
    platform: 'linux',
    isRoot: false,
    tryUnshare: () => 0,
    read: () => null,
    ...changes,
  });

  it('is false for root and where namespaces are refused', () => {
    expect(sandboxPossible(probe({}))).toBe(true);
    expect(sandboxPossible(probe({ isRoot: true }))).toBe(false);
    expect(sandboxPossible(probe({ tryUnshare: () => 1 }))).toBe(false);
    expect(sandboxPossible(probe({ platform: 'darwin', isRoot: true }))).toBe(true);
  });

  it('reads the kernel’s settings where it cannot be tried out', () => {
    const read = (path: string) => (path.endsWith('apparmor_restrict_unprivileged_userns') ? '1' : null);
    expect(sandboxPossible(probe({ tryUnshare: () => null }))).toBe(true);
    expect(sandboxPossible(probe({ tryUnshare: () => null, read }))).toBe(false);
  });
});
