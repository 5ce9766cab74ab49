import { type TestGateway, request, tokenOf } from '../gateway.ts';

export const campaigns = 'wap_bridge.api.campaigns';
export const create = `${campaigns}.create_and_start_campaign`;

/** A campaign to two people, as its call has it. */
export const batch = {
  instance_id: 'INST-01-0000142',
  campaign_name: 'Promo Batch A',
  message: 'Hello from WapBridge',
  recipients: ['255757111111', '255757222222'],
};

/** Posts a body that is not the JSON of a call. */
export function post(gateway: TestGateway, method: string, body: BodyInit, headers: Record<string, string> = {}) {
  return request(`${gateway.url}/api/method/${method}`, {
    method: 'POST',
    headers: { Authorization: tokenOf('full'), ...headers },
    body,
  });
}
