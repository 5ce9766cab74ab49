import QRCode from 'qrcode';
import type { InstanceState } from '../model/instance.ts';
import type { Context } from './command.ts';
import type { Call } from './gateway.ts';

const pollMs = 1_000;

/** What each state means for a person who waits for a code to scan. */
const meanings: Record<InstanceState, 'wait' | 'linked' | 'over'> = {
  created: 'wait',
  starting: 'wait',
  qr: 'wait',
  pairing: 'wait',
  authenticating: 'wait',
  disconnected: 'wait',
  logged_out: 'wait',
  ready: 'linked',
  failed: 'over',
  action_required: 'over',
  stopped: 'over',
};

/** Draws the instance's QR codes as they come and returns 0 once the phone is linked, 1 when it can no longer be. */
export async function showQr(id: string, call: Call, context: Context): Promise<number> {
  const screen = createScreen(context);
  let drawn: unknown = null;
  let said: unknown = null;
  for (;;) {
    const { status, qr } = (await call('instances.get_qr', { instance_id: id })) as {
      status: InstanceState;
      qr?: string;
    };
    const meaning = meanings[status];
    if (qr !== undefined && qr !== drawn) {
      drawn = qr;
      screen.draw(
        `${await QRCode.toString(qr, { type: 'terminal', small: true })}\nOn the phone: WhatsApp, Settings, Linked devices, Link a device.`,
      );
    } else if (qr === undefined && status !== said && meaning === 'wait') {
      context.warn(`${id} is ${status}.`);
    }
    said = status;
    if (meaning !== 'wait') {
      const { phone_number: phone, reason } = await call('instances.instance_status', { instance_id: id });
      if (meaning === 'linked') context.print(`${id} is linked to ${String(phone)}.`);
      else
        context.warn(
          `${id} shows no QR code: it is ${status}${typeof reason === 'string' ? ` (${reason})` : ''}. ${advice(id, status)}`,
        );
      return meaning === 'linked' ? 0 : 1;
    }
    await context.clock.sleep(pollMs, context.signal);
  }
}

/** A page that waits for a person runs already: to start it again would change nothing. */
function advice(id: string, status: InstanceState): string {
  if (status === 'action_required') return `See \`npm run wapbridge -- instance diagnose ${id}\`.`;
  return `Start it with \`npm run wapbridge -- instance connect ${id}\`.`;
}

/** Draws each picture over the one before it where a person watches, below it elsewhere. */
function createScreen({ print, isTerminal }: Context) {
  let lines = 0;
  return {
    draw(text: string) {
      const up = isTerminal && lines > 0 ? `\u001B[${lines}A\u001B[0J` : '';
      print(up + text);
      lines = text.split('\n').length;
    },
  };
}
