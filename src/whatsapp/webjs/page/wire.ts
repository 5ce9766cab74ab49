/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { BridgePart } from './records.ts';

/** Runs in the page: what the bridge says goes through one binding, in batches of one turn. */
export const wire: BridgePart = (bridge, page, bindingName) => {
  let batch: unknown[] = [];
  const turn = new MessageChannel();
  turn.port1.addEventListener('message', () => {
    const records = batch;
    batch = [];
    page[bindingName](JSON.stringify(records));
  });
  turn.port1.start();
  bridge.report = (record) => {
    if (batch.length === 0) turn.port2.postMessage(0);
    batch.push(record);
  };

  // WhatsApp Web from 2.3000.1043220887 on keeps the serialized id under `$1` instead of `_serialized`.
  bridge.text = (id: any) => (typeof id === 'string' ? id : (id._serialized ?? id.$1 ?? id.toString()));
};
