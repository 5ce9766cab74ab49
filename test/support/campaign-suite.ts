import { afterEach, beforeEach, expect } from 'vitest';
import type { CampaignView } from '../../src/model/campaign.ts';
import type { Instance } from '../../src/model/instance.ts';
import { type CampaignBed, createCampaignBed } from './campaigns.ts';
import { createTestClock, type TestClock, until } from './clock.ts';
import type { TestDatabase } from './database.ts';
import { buildInstance } from './factories.ts';

/** What tests of campaigns share: for each a database of its own with an instance, and campaigns over it. */
export interface CampaignSuite {
  readonly opened: TestDatabase;
  readonly instance: Instance;
  readonly clock: TestClock;
  readonly bed: CampaignBed;
  /** Whether the instance's page can send; true before each test. */
  canSend: boolean;
  /** Ends the campaigns, and begins again on the same database. */
  restart(): Promise<CampaignBed>;
  /** Returns campaigns of another gateway on the same database; the test closes it. */
  another(): CampaignBed;
  status(id: string): Promise<CampaignView>;
  /** Waits until the campaign is in this state. */
  stateIs(id: string, state: string): Promise<void>;
  /** Fails unless the counters are those of the rows, and these. */
  expectExact(id: string, counts: object): Promise<void>;
}

/** Prepares the tests of the block that it is called in for campaigns. */
export function useCampaigns(open: () => Promise<TestDatabase>): CampaignSuite {
  let opened: TestDatabase;
  let instance: Instance;
  let clock: TestClock;
  let bed: CampaignBed;

  beforeEach(async () => {
    opened = await open();
    instance = await buildInstance(opened.database);
    clock = createTestClock();
    suite.canSend = true;
    bed = begin();
  });

  afterEach(async () => {
    await bed.close();
    await opened.drop();
  });

  const begin = () => createCampaignBed({ database: opened.database, instance, clock, canSend: () => suite.canSend });

  const suite: CampaignSuite = {
    get opened() {
      return opened;
    },
    get instance() {
      return instance;
    },
    get clock() {
      return clock;
    },
    get bed() {
      return bed;
    },
    canSend: true,
    async restart() {
      await bed.close();
      bed = begin();
      return bed;
    },
    another: begin,
    status: (id) => bed.campaigns.status(bed.caller, id),
    stateIs: (id, state) => until(`${id} is ${state}`, async () => (await suite.status(id)).state === state),
    async expectExact(id, counts) {
      const { counters, rows } = await bed.counts(id);
      expect(counters).toEqual(rows);
      expect(counters).toMatchObject(counts);
    },
  };
  return suite;
}
