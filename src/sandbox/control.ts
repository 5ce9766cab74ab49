import { Router } from '@koa/router';
import { createReadStream, existsSync } from 'node:fs';
import qrcode from 'qrcode';
import { target, toMedia, toSignal } from './control-inputs.ts';
import { ControlError, guard, optionalText, readJson, text } from './control-request.ts';
import { drifts, isDrift } from './drift.ts';
import type { Fields } from './control-request.ts';
import type { PasskeyOptions } from './passkeys.ts';
import type { SandboxMessage } from './present.ts';
import type { AckLevel } from './records.ts';
import type { Sandbox } from './sandbox.ts';
import { simulatorPage, simulatorPolicy } from './simulator/page.ts';

/** What the control needs to know of the gateway's instances. */
export interface SandboxInstances {
  list(): Promise<{ instanceId: string; status: string; phone?: string }[]>;
  /** The QR text that the instance shows now, or null. */
  qr(instanceId: string): Promise<string | null>;
}

const QR_WAIT_MS = 20_000;
const QR_LOOK_MS = 100;
const MAX_DROP_SECONDS = 3600;

/**
 * Makes the routes under `/sandbox`: the phone simulator and the API it uses. To be mounted only while the sandbox is on.
 * Everybody who reaches them is everybody's phone, so they answer to loopback names and IP addresses only (`hosts` adds names), never to
 * a foreign web page.
 */
export function createSandboxControl(options: {
  sandbox: Sandbox;
  instances: SandboxInstances;
  hosts?: string[];
}): Router {
  const { instances } = options;
  const { network } = options.sandbox;
  const router = new Router({ prefix: '/sandbox' });

  async function instance(fields: Fields): Promise<{ instanceId: string; status: string; phone?: string }> {
    const id = text(fields, 'instance_id');
    const found = (await instances.list()).find(({ instanceId }) => instanceId === id);
    if (!found) throw new ControlError(404, `There is no instance "${id}"`);
    return found;
  }

  async function phoneOf(fields: Fields): Promise<string> {
    const { instanceId, phone } = await instance(fields);
    if (phone === undefined) throw new ControlError(400, `Instance ${instanceId} is not linked`);
    return phone;
  }

  /** An instance that is stopped or starting shows none, which is not an error here. */
  const qrOf = (instanceId: string): Promise<string | null> => instances.qr(instanceId).catch(() => null);

  async function waitForQr(instanceId: string): Promise<string> {
    for (const end = Date.now() + QR_WAIT_MS; Date.now() < end;) {
      const qr = await qrOf(instanceId);
      if (qr !== null) return qr;
      await new Promise((resolve) => setTimeout(resolve, QR_LOOK_MS));
    }
    throw new ControlError(400, `Instance ${instanceId} shows no QR code`);
  }

  router.use(async (ctx, next) => {
    try {
      guard(ctx, options.hosts ?? []);
      await next();
    } catch (error) {
      if (!(error instanceof Error) || (error.constructor !== Error && !(error instanceof ControlError))) throw error;
      ctx.status = error instanceof ControlError ? error.status : 400;
      ctx.body = { error: error.message };
    }
  });

  router.get('/', (ctx) => {
    ctx.set(simulatorPolicy);
    ctx.type = 'html';
    ctx.body = simulatorPage();
  });

  router.get('/api/state', async (ctx) => {
    const linked = network.linked();
    const list = await Promise.all(
      (await instances.list()).map(async ({ instanceId, status, phone }) => ({
        instance_id: instanceId,
        status,
        phone: linked.some((device) => device.phone === phone) ? phone : null,
        online: linked.some((device) => device.phone === phone && device.online),
        qr: linked.some((device) => device.phone === phone) ? null : await qrOf(instanceId),
      })),
    );
    ctx.body = {
      instances: list,
      people: network.people(),
      groups: network.groups(),
      acks: network.acks(),
      drift: options.sandbox.drift(),
    };
  });

  router.get('/api/qr', async (ctx) => {
    const qr = await qrOf((await instance(ctx.query)).instanceId);
    if (qr === null) throw new ControlError(404, 'This instance shows no QR code');
    ctx.type = 'image/svg+xml';
    ctx.body = await qrcode.toString(qr, { type: 'svg', margin: 1 });
  });

  router.post('/api/link', async (ctx) => {
    const fields = await readJson(ctx);
    const { instanceId } = await instance(fields);
    const name = optionalText(fields, 'name');
    const passkey = fields['passkey'] === true;
    const person = { phone: text(fields, 'phone_number'), passkey, ...(name === undefined ? {} : { name }) };
    const linked = network.link(optionalText(fields, 'code') ?? (await waitForQr(instanceId)), person);
    // It takes a person to go on: who links does not wait for that.
    if (passkey) linked.catch(() => undefined);
    else await linked;
    ctx.body = { linked: !passkey };
  });

  /** Uses the passkey of a person, as their own device does: `options` as the gateway shows them. */
  router.post('/api/passkey', async (ctx) => {
    const fields = await readJson(ctx);
    const options = fields['options'] as PasskeyOptions | undefined;
    if (typeof options?.challenge !== 'string') throw new ControlError(400, 'options must be those of the challenge');
    ctx.body = network.signPasskey(text(fields, 'phone_number'), options);
  });

  router.post('/api/unlink', async (ctx) => {
    network.unlink(await phoneOf(await readJson(ctx)));
    ctx.body = { linked: false };
  });

  router.post('/api/receive', async (ctx) => {
    const fields = await readJson(ctx);
    const name = optionalText(fields, 'name');
    const content = optionalText(fields, 'text');
    const group = optionalText(fields, 'group');
    const id = optionalText(fields, 'id');
    const message = network.receive({
      to: await phoneOf(fields),
      from: text(fields, 'from'),
      as: fields['lid'] === true ? 'lid' : 'phone',
      ...(name === undefined ? {} : { name }),
      ...(content === undefined ? {} : { text: content }),
      ...(group === undefined ? {} : { group }),
      ...(id === undefined ? {} : { id }),
      ...(typeof fields['lid_known'] === 'boolean' ? { lidKnown: fields['lid_known'] } : {}),
      ...(fields['media'] === undefined ? {} : { media: toMedia(fields['media']) }),
    });
    ctx.body = present(message);
  });

  /** What the owner of the linked number writes on the phone itself. */
  router.post('/api/write', async (ctx) => {
    const fields = await readJson(ctx);
    const content = optionalText(fields, 'text');
    const message = network.write({
      from: await phoneOf(fields),
      to: text(fields, 'to'),
      ...(content === undefined ? {} : { text: content }),
      ...(fields['media'] === undefined ? {} : { media: toMedia(fields['media']) }),
    });
    ctx.body = present(message);
  });

  router.post('/api/edit', async (ctx) => {
    const fields = await readJson(ctx);
    ctx.body = present(network.edit({ ...target(fields), text: text(fields, 'text') }));
  });

  /** `for_me` deletes it on the phone `by` alone. */
  router.post('/api/revoke', async (ctx) => {
    const fields = await readJson(ctx);
    const by = optionalText(fields, 'by');
    const forMe = fields['for_me'] === true;
    ctx.body = present(network.revoke({ ...target(fields), ...(by === undefined ? {} : { by }), forMe }));
  });

  router.post('/api/react', async (ctx) => {
    const fields = await readJson(ctx);
    const emoji = optionalText(fields, 'emoji') ?? '';
    const as = fields['lid'] === true ? 'lid' : 'phone';
    ctx.body = present(network.react({ ...target(fields), by: text(fields, 'by'), emoji, as }));
  });

  /** What goes on beside messages: see `toSignal` for the kinds and their fields. */
  router.post('/api/signal', async (ctx) => {
    const fields = await readJson(ctx);
    const { callId } = network.signal(toSignal(fields, await phoneOf(fields)));
    ctx.body = { told: true, ...(callId === undefined ? {} : { call_id: callId }) };
  });

  router.post('/api/drop', async (ctx) => {
    const fields = await readJson(ctx);
    const seconds = Number(fields['seconds']);
    if (!(seconds > 0 && seconds <= MAX_DROP_SECONDS)) {
      throw new ControlError(400, `seconds must be a number above 0, at most ${MAX_DROP_SECONDS}`);
    }
    network.drop(await phoneOf(fields), seconds * 1000);
    ctx.body = { dropped: true };
  });

  router.post('/api/groups', async (ctx) => {
    const fields = await readJson(ctx);
    const members = Array.isArray(fields['members']) ? fields['members'].map(String) : [];
    const group = { subject: text(fields, 'subject'), owner: await phoneOf(fields), members };
    ctx.body = network.createGroup(group);
  });

  router.post('/api/acks', async (ctx) => {
    const { acks } = await readJson(ctx);
    if (![0, 1, 2, 3].includes(acks as number)) throw new ControlError(400, 'acks must be 0, 1, 2 or 3');
    network.setAcks(acks as AckLevel);
    ctx.body = { acks };
  });

  /** Takes effect when an instance is started again. */
  router.post('/api/drift', async (ctx) => {
    const { drift } = await readJson(ctx);
    const names = Array.isArray(drift) ? drift.map(String) : [];
    const unknown = names.find((name) => !isDrift(name));
    if (unknown !== undefined || !Array.isArray(drift))
      throw new ControlError(400, `drift must be a list of: ${Object.keys(drifts).join(', ')}, module-gone:NAME`);
    options.sandbox.setDrift(names.filter(isDrift));
    ctx.body = { drift: options.sandbox.drift() };
  });

  router.get('/api/messages', async (ctx) => {
    const phone = ctx.query['instance_id'] === undefined ? undefined : await phoneOf(ctx.query);
    const since = ctx.query['since'] === undefined ? undefined : Number(ctx.query['since']);
    if (Number.isNaN(since)) throw new ControlError(400, 'since must be a time in Unix milliseconds');
    const filter = { ...(phone === undefined ? {} : { phone }), ...(since === undefined ? {} : { since }) };
    ctx.body = { messages: network.messages(filter).map(present) };
  });

  router.get('/api/media/:messageId', (ctx) => {
    const { messageId } = ctx.params;
    const media = network.messages().find(({ id, media: file }) => id === messageId && file)?.media;
    if (!media || !existsSync(media.path)) throw new ControlError(404, 'There is no such file');
    const isShown = /^(image\/(png|jpeg|gif|webp)|audio\/|video\/)/.test(media.mimeType);
    ctx.set('Content-Security-Policy', "sandbox; default-src 'none'");
    ctx.set('X-Content-Type-Options', 'nosniff');
    if (isShown) ctx.set('Content-Type', media.mimeType);
    else ctx.attachment(media.filename ?? messageId);
    ctx.body = createReadStream(media.path);
  });

  return router;
}

function present(message: SandboxMessage): Fields {
  const { id, from, to, type, at, repeats, acks, media, content } = message;
  return {
    id,
    from,
    to,
    author: message.author ?? null,
    group: message.group ?? null,
    from_phone: message.fromPhone,
    to_phone: message.toPhone ?? null,
    type,
    text: message.text ?? null,
    caption: message.caption ?? null,
    media: media
      ? {
          mime_type: media.mimeType,
          filename: media.filename ?? null,
          size_bytes: media.sizeBytes,
          sha256: media.sha256,
          url: `/sandbox/api/media/${encodeURIComponent(id)}`,
        }
      : null,
    at,
    changed_at: message.changedAt,
    repeats,
    acks,
    edited: message.edited ?? false,
    revoked: message.revoked ?? false,
    reactions: message.reactions,
    content,
  };
}
