import { expect, it } from 'vitest';
import { encodeContent } from '../../src/whatsapp/webjs/codec/index.ts';

const opus = Buffer.concat([Buffer.from('OggS'), Buffer.alloc(24), Buffer.from('OpusHead'), Buffer.alloc(40)]);
const vorbis = Buffer.concat([Buffer.from('OggS'), Buffer.alloc(24), Buffer.from('\x01vorbis'), Buffer.alloc(40)]);

it.each([
  ['voice', 'audio/ogg', opus, 'audio/ogg; codecs=opus'],
  ['audio', 'audio/opus', opus, 'audio/ogg; codecs=opus'],
  ['audio', 'audio/ogg', vorbis, 'audio/ogg'],
  ['audio', 'audio/mpeg', Buffer.from('ID3'), 'audio/mpeg'],
] as const)('sends %s of %s under the type that others take', (type, mimeType, bytes, sent) => {
  const media = { mediaId: 'x', mimeType, sizeBytes: bytes.length };
  expect(encodeContent({ type, media }, bytes.toString('base64')).media).toMatchObject({ mimetype: sent });
});
