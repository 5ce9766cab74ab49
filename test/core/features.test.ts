import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createFeatures, type Features } from '../../src/core/features.ts';
import type { SelfTest } from '../../src/model/features.ts';
import type { InstancePatch } from '../../src/store/instances.ts';
import type { WhatsAppClient } from '../../src/whatsapp/client.ts';
import { createTestClock } from '../support/clock.ts';

const id = 'INST-01-0000001';

function build({ enforced = true } = {}) {
  const clock = createTestClock();
  const stored: InstancePatch[] = [];
  const regained: string[] = [];
  const page: { found: SelfTest; looks: number; answer?: Promise<SelfTest> } = { found: tested({}), looks: 0 };
  const features: Features = createFeatures({
    instances: { update: async (_, patch) => void stored.push(patch) },
    client: () =>
      ({
        selfTest: async () => {
          page.looks += 1;
          return page.answer ?? page.found;
        },
      }) as unknown as WhatsAppClient,
    regained: (instanceId) => void regained.push(instanceId),
    enforced,
    clock,
    log: pino({ level: 'silent' }),
  });
  return { features, clock, stored, regained, page };
}

function tested(missing: SelfTest['missing']): SelfTest {
  return { webVersion: '2.3000.7', missing, shims: [], tookMs: 3 };
}

describe('what a page can do', () => {
  it('is refused by name while the page lacks it, and everything else is not', async () => {
    const { features, stored, page } = build();
    page.found = tested({ check_numbers: ['WAWebQueryExistsJob'] });
    await features.learn(id, page.found);
    await expect(features.require(id, 'check_numbers')).rejects.toMatchObject({
      code: 'feature_unavailable',
      status: 501,
      message: expect.stringMatching(/Checking numbers.*2\.3000\.7.*WAWebQueryExistsJob/),
      details: { feature: 'check_numbers', missing: ['WAWebQueryExistsJob'], webVersion: '2.3000.7' },
    });
    await expect(features.require(id, 'send_text')).resolves.toBeUndefined();
    await expect(features.require('INST-01-0000002', 'check_numbers')).resolves.toBeUndefined();
    expect(stored).toMatchObject([{ selfTest: page.found }]);
  });

  it('is looked at once more before a refusal, and not more often than that', async () => {
    const { features, clock, page, regained } = build();
    await features.learn(id, tested({ check_numbers: ['WAWebQueryExistsJob'], labels: ['WAWebCollections.Label'] }));
    await expect(features.require(id, 'check_numbers')).rejects.toMatchObject({ code: 'feature_unavailable' });
    expect(page.looks).toBe(0);

    clock.advance(31_000);
    page.found = tested({ labels: ['WAWebCollections.Label'] });
    await expect(features.require(id, 'check_numbers')).resolves.toBeUndefined();
    await expect(features.require(id, 'labels')).rejects.toMatchObject({ code: 'feature_unavailable' });
    expect(page.looks).toBe(1);
    expect(regained).toEqual([id]);
  });

  it('is not learnt from a page that has gone while it was looked at again', async () => {
    const { features, clock, page, stored } = build();
    const lacking = tested({ labels: ['WAWebCollections.Label'] });
    await features.learn(id, lacking);
    clock.advance(31_000);
    let answer: (found: SelfTest) => void = () => undefined;
    page.answer = new Promise((resolve) => (answer = resolve));
    const asked = features.require(id, 'labels');
    features.forget(id);
    await features.learn(id, tested({}));
    answer(lacking);
    await expect(asked).resolves.toBeUndefined();
    expect(features.missing(id, 'labels')).toBeNull();
    expect(stored).toHaveLength(2);
  });

  it('is not known any more when the page is gone', async () => {
    const { features } = build();
    await features.learn(id, tested({ send_media: ['WAWebPrepRawMedia'] }));
    expect([...features.held(id)]).toEqual(['image', 'video', 'audio', 'voice', 'document']);
    features.forget(id);
    expect(features.missing(id, 'send_media')).toBeNull();
    expect(features.held(id).size).toBe(0);
  });

  it('is tried all the same where the operator says so', async () => {
    const { features, stored } = build({ enforced: false });
    await features.learn(id, tested({ send_text: ['WAWebMsgKey.newId'] }));
    await expect(features.require(id, 'send_text')).resolves.toBeUndefined();
    expect(stored).toHaveLength(1);
  });
});
