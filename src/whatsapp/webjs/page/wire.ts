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

  bridge.describe = (error: any) => {
    if (typeof error !== 'object' || error === null) return String(error).slice(0, 500);
    const { name, message } = error;
    const fields: Record<string, unknown> = {};
    for (const key of Object.keys(error)) {
      const value = error[key];
      if (['string', 'number', 'boolean'].includes(typeof value)) fields[key] = value;
    }
    const own = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : '';
    // An Error of the page's own says enough; a minified class is named with its fields.
    return (
      `${name && name !== 'Error' ? `${name}: ` : ''}${message ?? ''}${own}`.trim().slice(0, 500) || 'unknown error'
    );
  };

  // Under `$1` from 2.3000.1043220887 on: read here too, so that sends need no shim.
  bridge.text = (id: any) => {
    if (typeof id === 'string') return id;
    return id._serialized ?? (typeof id.$1 === 'string' ? id.$1 : id.toString());
  };
};
