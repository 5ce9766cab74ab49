import type { CampaignSimulation } from '../../core/campaigns.ts';
import type { CampaignCounters, CampaignReceipt, CampaignRecipient, CampaignView } from '../../model/campaign.ts';
import { time } from './present.ts';

/** Returns the answer to a call that brings recipients: `{"ok":true,"campaign":"WAP-CAM-0001","status":"running","total":2,…}`. */
export function presentReceipt(receipt: CampaignReceipt): object {
  return {
    ok: true,
    campaign: receipt.campaign.id,
    status: receipt.campaign.state,
    total: receipt.total,
    queued: receipt.queued,
    duplicates: receipt.duplicates,
    invalid: receipt.invalid,
    invalid_count: receipt.invalidCount,
    opted_out: receipt.optedOut,
    warnings: receipt.warnings,
  };
}

/** Returns a campaign as `campaign_status` and `list_campaigns` show it; the counters stand by themselves and together. */
export function presentCampaign(view: CampaignView): object {
  const counters = presentCounters(view.counters);
  return {
    campaign: view.id,
    campaign_name: view.name,
    instance_id: view.instanceId,
    status: view.state,
    hold: view.hold,
    hold_until: time(view.holdUntil),
    pause_reason: view.pauseReason,
    ...counters,
    counters,
    duplicates: view.duplicates,
    invalid_count: view.invalid,
    rate_per_minute: view.ratePerMinute,
    next_send_at: time(view.nextSendAt),
    eta_at: time(view.etaAt),
    schedule_at: time(view.scheduleAt),
    end_at: time(view.endAt),
    created_at: time(view.createdAt),
    started_at: time(view.startedAt),
    finished_at: time(view.finishedAt),
  };
}

/** Returns the counters in this API's words. */
export function presentCounters(counters: CampaignCounters): CampaignCounters {
  const { total, queued, sending, sent, delivered, read, failed, skipped, uncertain, cancelled } = counters;
  return { total, queued, sending, sent, delivered, read, failed, skipped, uncertain, cancelled };
}

/** Returns a recipient as `campaign_recipients` lists it. */
export function presentRecipient(recipient: CampaignRecipient): object {
  return {
    phone_number: recipient.phone,
    status: recipient.state,
    reason: recipient.reason,
    message_id: recipient.messageId,
    changed_at: time(recipient.changedAt),
  };
}

/** Returns the answer to `simulate`. */
export function presentSimulation(simulation: CampaignSimulation): object {
  return {
    ok: true,
    finishes_at: time(simulation.finishesAt),
    days: simulation.days,
    total: simulation.total,
    duplicates: simulation.duplicates,
    invalid: simulation.invalid,
    invalid_count: simulation.invalidCount,
    warnings: simulation.warnings,
  };
}
