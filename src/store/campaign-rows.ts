import {
  type Campaign,
  type CampaignHold,
  type CampaignState,
  campaignId,
  type PauseReason,
  type RecipientCounts,
  type RecipientState,
  recipientStates,
} from '../model/campaign.ts';
import type { StatePatch } from './campaigns.ts';

const patchColumns = {
  pauseReason: 'pause_reason',
  hold: 'hold',
  holdUntil: 'hold_until',
  startedAt: 'started_at',
  finishedAt: 'finished_at',
} as const satisfies Record<Exclude<keyof StatePatch, 'forgetErrors'>, string>;

/** Returns the columns that a change of state writes. */
export function toColumns(patch: StatePatch): Record<string, unknown> {
  const columns: Record<string, unknown> = patch.forgetErrors ? { fail_streak: 0, recent: '' } : {};
  for (const [key, column] of Object.entries(patchColumns)) {
    const value = patch[key as keyof typeof patchColumns];
    if (value !== undefined) columns[column] = value;
  }
  return columns;
}

/** Returns the column of a counter. */
export function counterColumn(name: string): string {
  return Object.hasOwn(recipientStates, name) ? `n_${name}` : name;
}

type CounterColumns = { [State in RecipientState as `n_${State}`]: number };

/** A row of the campaigns table. */
export interface CampaignRow extends CounterColumns {
  id: number;
  account_id: string;
  instance_id: string;
  name: string;
  template: string;
  media: string | null;
  options: string;
  state: CampaignState;
  pause_reason: PauseReason | null;
  hold: CampaignHold | null;
  hold_until: number | null;
  duplicates: number;
  invalid: number;
  schedule_at: number | null;
  end_at: number | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
}

/** Returns the campaign of a row. */
export function fromRow(row: CampaignRow): Campaign {
  const options = JSON.parse(row.options) as Pick<
    Campaign,
    'variables' | 'pacing' | 'window' | 'quietHours' | 'recipientEvents'
  >;
  return {
    id: campaignId(row.id),
    accountId: row.account_id,
    instanceId: row.instance_id,
    name: row.name,
    template: row.template,
    media: row.media ? (JSON.parse(row.media) as Campaign['media']) : null,
    ...options,
    state: row.state,
    pauseReason: row.pause_reason,
    hold: row.hold,
    holdUntil: row.hold_until,
    counts: countsOf(row),
    duplicates: row.duplicates,
    invalid: row.invalid,
    scheduleAt: row.schedule_at,
    endAt: row.end_at,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

function countsOf(row: CounterColumns): RecipientCounts {
  const states = Object.keys(recipientStates) as RecipientState[];
  return Object.fromEntries(states.map((state) => [state, row[`n_${state}`]])) as RecipientCounts;
}
