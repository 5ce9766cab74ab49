import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createStateWriter } from '../../src/core/instance-states.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { announcerInto } from '../support/announcer.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../support/database.ts';
import { buildInstance } from '../support/factories.ts';

forEachDatabaseAndRepeated((open) => {
  let opened: TestDatabase;
  let instance: Instance;
  let events: NewEvent[];
  beforeEach(async () => {
    opened = await open();
    instance = await buildInstance(opened.database);
    events = [];
  });
  afterEach(() => opened.drop());

  it('tells of a state once when two write it at the same time', async () => {
    const { database } = opened;
    const changeState = createStateWriter({
      database,
      instances: createInstanceStore(database),
      announcer: announcerInto(events),
      clock: { now: () => Date.now(), sleep: () => Promise.resolve() },
      log: pino({ level: 'silent' }),
    });
    const stop = () => changeState(instance.id, { state: 'stopped', reason: null });
    await Promise.all([stop(), stop(), stop()]);
    await stop();
    expect(events.map(({ payload }) => payload)).toEqual([{ state: 'stopped', reason: null, code: null }]);
  });
});
