import { expect, it } from 'vitest';
import { missingFeatures } from '../../src/model/features.ts';

const lacking = (missing: Parameters<typeof missingFeatures>[0]['missing']) =>
  missingFeatures({ webVersion: '2.3000.1', missing, shims: [], tookMs: 1 });

it('what the gateway tells or does by a page is missed, what it does not offer yet is not', () => {
  expect(lacking({ message_changes: ['WAWebUpdateEditedMessagesAction'], stanzas: ['WAWap.decodeStanza'] })).toEqual([
    'message_changes',
    'stanzas',
  ]);
  expect(lacking({ labels: ['WAWebCollections.Label'] })).toEqual([]);
});
