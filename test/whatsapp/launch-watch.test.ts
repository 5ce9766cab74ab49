import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { createLaunchWatch } from '../../src/whatsapp/chromium/launch-watch.ts';
import type { LaunchedBrowser } from '../../src/whatsapp/webjs/client.ts';

const input = { instanceId: 'INST-01-0000001', profileDir: '/tmp/profile' };

function watchOf(answers: (LaunchedBrowser | Error)[]) {
  return createLaunchWatch(async () => {
    const answer = answers.shift();
    if (!answer || answer instanceof Error) throw answer;
    return answer;
  });
}

function browser(): LaunchedBrowser & { browser: EventEmitter } {
  return { browser: new EventEmitter(), close: async () => undefined } as never;
}

it('tells that no browser starts after two failures in a row, until one does', async () => {
  const watch = watchOf([new Error('no'), new Error('no'), browser()]);
  await expect(watch.launch(input)).rejects.toThrow('no');
  expect(watch.problem()).toBeNull();
  await expect(watch.launch(input)).rejects.toThrow('no');
  expect(watch.problem()).toBe('No browser starts: 2 failures in a row');
  await watch.launch(input);
  expect(watch.problem()).toBeNull();
});

it('takes failures beside a running browser for those of a profile', async () => {
  const running = browser();
  const watch = watchOf([running, new Error('in use'), new Error('in use')]);
  await watch.launch(input);
  for (let attempt = 0; attempt < 2; attempt += 1) await watch.launch(input).catch(() => undefined);
  expect(watch.problem()).toBeNull();
  running.browser.emit('disconnected');
  expect(watch.problem()).toContain('No browser starts');
});
