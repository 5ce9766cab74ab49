import { expect, it } from 'vitest';
import { createLog } from '../src/log.ts';

function written(format: 'json' | 'pretty') {
  const lines: string[] = [];
  return { lines, log: createLog('debug', { write: (line) => void lines.push(line) }, format) };
}

it('writes one JSON object a line', () => {
  const { lines, log } = written('json');
  log.info({ instance: 'INST-01-0000001' }, 'instance is ready');
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: 30, instance: 'INST-01-0000001', msg: 'instance is ready' });
});

it('writes for people when it is asked to', () => {
  const { lines, log } = written('pretty');
  log.info({ instance: 'INST-01-0000001', reason: null, error: 'line\nbreak "x"' }, 'instance is ready');
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} info  instance is ready {2}instance=INST-01-0000001 {2}error="line\\nbreak \\"x\\""\n$/,
  );
});

it('leaves secrets out in both', () => {
  for (const format of ['json', 'pretty'] as const) {
    const { lines, log } = written(format);
    log.error({ secret: 'hunter2', request: { headers: { authorization: 'hunter2' } } }, 'odd');
    expect(lines.join()).not.toContain('hunter2');
    expect(lines.join()).toContain('[redacted]');
  }
});

it('shows the trace of an error under its line', () => {
  const { lines, log } = written('pretty');
  log.error({ err: new Error('broken') }, 'request failed');
  expect(lines[0]).toMatch(/ERROR request failed\nError: broken\n\s+at /);
});
