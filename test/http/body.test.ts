import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createBodyReader } from '../../src/http/body.ts';

describe('createBodyReader', () => {
  const sized = (sizeBytes: number) => {
    const request = Object.assign(new PassThrough(), {
      headers: { 'content-length': String(sizeBytes), 'content-type': 'application/json' },
    });
    request.end(`{"a":"${'x'.repeat(sizeBytes - 8)}"}`);
    return request as unknown as IncomingMessage;
  };
  const answer = () => new EventEmitter() as ServerResponse;
  const large = (sizeBytes: number, response = answer()) => ({
    request: sized(sizeBytes),
    response,
    maxBody: 'media' as const,
  });

  it('refuses large bodies while others fill the memory, never small ones, and forgets them with their answers', async () => {
    const reader = createBodyReader({ maxBytes: 200_000, totalBytes: 250_000 });
    await reader.read(large(200_000));
    await expect(reader.read(large(100_000))).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterSeconds: 2,
    });
    await expect(reader.read(large(60_000))).resolves.toHaveProperty('a');
    const second = createBodyReader({ maxBytes: 200_000, totalBytes: 250_000 });
    const done = answer();
    await second.read(large(200_000, done));
    done.emit('close');
    await expect(second.read(large(200_000))).resolves.toHaveProperty('a');
  });
});
