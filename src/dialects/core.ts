import type { Audit } from '../core/audit.ts';
import type { Campaigns } from '../core/campaigns.ts';
import type { Contacts } from '../core/contacts.ts';
import type { Diagnoses } from '../core/diagnosis.ts';
import type { InstanceHistory } from '../core/instance-history.ts';
import type { Instances } from '../core/instances.ts';
import type { MessageLog } from '../core/message-log.ts';
import type { Messages } from '../core/messages.ts';
import type { OptOuts } from '../core/opt-outs.ts';
import type { Passkeys } from '../core/passkeys.ts';
import type { Tokens } from '../core/tokens.ts';
import type { WebhookEndpoints } from '../core/webhook/endpoints.ts';
import type { WebhookHistory } from '../core/webhook/history.ts';
import type { Webhooks } from '../core/webhooks.ts';
import type { WebRecorder } from '../core/web-recorder.ts';
import type { Endpoint } from '../model/webhook.ts';

/** A webhook receiver as its owner sees it. */
export type EndpointView = Pick<Endpoint, 'url' | 'events' | 'instanceId' | 'hasSecret' | 'enabled' | 'disabledReason'>;

/** What the dialects ask of the core: use cases, each scoped by the caller's account. */
export interface Core {
  tokens: Pick<Tokens, 'authenticate'>;
  audit: Pick<Audit, 'list'>;
  instances: Omit<Instances, 'startWanted'>;
  history: Pick<InstanceHistory, 'list'>;
  diagnoses: Diagnoses;
  passkeys: Omit<Passkeys, 'hear' | 'over'>;
  webRecorder: Pick<WebRecorder, 'record'>;
  messages: Messages;
  messageLog: Pick<MessageLog, 'list'>;
  contacts: Contacts;
  campaigns: Campaigns;
  optOuts: Omit<OptOuts, 'heard'>;
  webhooks: Omit<WebhookHistory, 'prune'> &
    Omit<WebhookEndpoints, 'set' | 'get'> & {
      set(...input: Parameters<Webhooks['set']>): Promise<EndpointView | null>;
      get(...input: Parameters<Webhooks['get']>): Promise<EndpointView | null>;
    };
}
