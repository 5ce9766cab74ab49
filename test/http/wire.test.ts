import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestGateway, rpc, startGateway, tokenOf } from '../dialects/gateway.ts';
import { rawRequest, writeBody } from './raw.ts';

const send = '/api/method/wap_bridge.api.whatsapp.send_api_message';
const gatewayPath = '/api/method/wap_bridge.api.whatsapp.erpnext_notification_gateway';
const authorization = `Authorization: ${tokenOf('full')}\r\n`;
const mib = 1024 * 1024;

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

function head(line: string, ...headers: string[]): string {
  return `${line} HTTP/1.1\r\nHost: gateway\r\n${authorization}${headers.map((header) => `${header}\r\n`).join('')}\r\n`;
}

describe('requests as they come over the wire', () => {
  it('reads the query of a POST with Content-Length 0', async () => {
    const reply = await rawRequest(
      gateway.port,
      head(`POST ${send}/?to_number=%2B255755123456&message=Hi+there`, 'Content-Length: 0', 'Accept: */*'),
    );
    expect(reply.status).toBe(200);
    expect(gateway.core.sent[0]).toMatchObject({ to: '+255755123456', content: { text: 'Hi there' } });
  });

  it('reads the query of a POST without any Content-Length', async () => {
    expect((await rawRequest(gateway.port, head(`POST ${send}?to_number=%2B255755123456&message=Hi`))).status).toBe(
      200,
    );
  });

  it('reads the JSON body of a GET', async () => {
    const body = '{"message": "Hi \\u00e0", "to_number": "+255757123456"}';
    const reply = await rawRequest(
      gateway.port,
      head(`GET ${gatewayPath}`, 'Content-Type: application/json', `Content-Length: ${body.length}`) + body,
    );
    expect(reply.status).toBe(200);
    expect(gateway.core.sent[0]?.content).toEqual({ type: 'text', text: 'Hi à' });
  });

  it('reads the body of a DELETE', async () => {
    const body = 'instance_id=INST-01-0000142';
    const reply = await rawRequest(
      gateway.port,
      head(
        'DELETE /api/method/wap_bridge.api.instances.delete_instance',
        'Content-Type: application/x-www-form-urlencoded',
        `Content-Length: ${body.length}`,
      ) + body,
    );
    expect(reply.body).toMatchObject({ ok: true, instance_id: 'INST-01-0000142' });
  });

  it('reads a form that is labelled as JSON', async () => {
    const body = 'message=Your+verification+code+is+123456&Authorization=token+a%3Ab&to_number=%2B255+757+123+456';
    const reply = await rawRequest(
      gateway.port,
      head(`POST ${gatewayPath}`, 'Content-Type: application/json', `Content-Length: ${body.length}`) + body,
    );
    expect(reply.status).toBe(200);
    expect(gateway.core.sent[0]?.to).toBe('255757123456@c.us');
  });

  it('reads a chunked body', async () => {
    const reply = await rawRequest(
      gateway.port,
      `${head(`POST ${send}`, 'Content-Type: application/json', 'Transfer-Encoding: chunked')}2d\r\n{"to_number":"+255755123456","message":"Hi"}\n\r\n0\r\n\r\n`,
    );
    expect(reply.status).toBe(200);
  });

  it('takes a request line and headers of 60 KB', async () => {
    const message = 'a'.repeat(60_000);
    const reply = await rawRequest(
      gateway.port,
      head(`POST ${send}?to_number=%2B255755123456&message=${message}`, 'Content-Length: 0'),
    );
    expect(reply.status).toBe(200);
    expect(gateway.core.sent[0]?.content).toEqual({ type: 'text', text: message });
  });

  it('answers 431 in JSON to 70 KB of headers and 400 to what is not HTTP', async () => {
    const large = await rawRequest(gateway.port, head(`GET /api/method/ping`, `X-Big: ${'a'.repeat(70_000)}`));
    expect([large.status, large.body.code]).toEqual([431, 'too_large']);
    const noise = await rawRequest(gateway.port, 'hello\r\n\r\n');
    expect([noise.status, noise.body.code]).toEqual([400, 'malformed_request']);
  });

  it('answers a compressed body with 400 instead of guessing', async () => {
    const reply = await rawRequest(
      gateway.port,
      `${head(`POST ${send}`, 'Content-Type: application/json', 'Content-Encoding: gzip', 'Content-Length: 3')}abc`,
    );
    expect([reply.status, reply.body.exc_type]).toEqual([400, 'ValidationError']);
  });

  it('goes on after a client that leaves in the middle of its body', async () => {
    await expect(
      rawRequest(
        gateway.port,
        head(`POST ${send}`, 'Content-Type: application/json', 'Content-Length: 1000'),
        (socket) => {
          socket.write('{"to_number"');
          setTimeout(() => socket.destroy(new Error('left')), 50);
        },
      ),
    ).rejects.toThrow('left');
    expect((await rpc(gateway, 'ping', {})).status).toBe(200);
  });
});

describe('a body of 40 MB', () => {
  const size = 40 * mib;

  it.each([
    ['a connection that stays open', 'Connection: keep-alive'],
    ['a connection that closes', 'Connection: close'],
  ])('gets 413 in the envelope over %s, though the client writes it all', async (_name, connection) => {
    const reply = await rawRequest(
      gateway.port,
      head(`POST ${send}`, 'Content-Type: application/json', `Content-Length: ${size}`, connection),
      (socket) => writeBody(socket, size),
    );
    expect(reply.status).toBe(413);
    expect(reply.body).toMatchObject({
      exc_type: 'RequestEntityTooLarge',
      code: 'too_large',
      message: expect.stringContaining(String(36 * mib)),
    });
  });

  it('gets 413 when it comes chunked, without a length to know it by', async () => {
    const reply = await rawRequest(
      gateway.port,
      head(`POST ${send}`, 'Content-Type: application/json', 'Transfer-Encoding: chunked'),
      async (socket) => {
        for (let index = 0; index < 40 && !socket.destroyed; index++) {
          socket.write(`${mib.toString(16)}\r\n`);
          await writeBody(socket, mib);
          socket.write('\r\n');
        }
        socket.write('0\r\n\r\n');
      },
    );
    expect(reply.status).toBe(413);
  });

  it('gets 413 before it is sent when the client asks first, as curl does', async () => {
    const reply = await rawRequest(
      gateway.port,
      head(`POST ${send}`, 'Content-Type: application/json', `Content-Length: ${size}`, 'Expect: 100-continue'),
    );
    expect(reply.status).toBe(413);
    expect(reply.interim).toEqual([]);
    expect(reply.headers.connection).toBe('close');
  });

  it('gets 413 through fetch, and the gateway serves the next call', async () => {
    const reply = await rpc(gateway, 'wap_bridge.api.whatsapp.send_api_message', {
      to_number: '+255755123456',
      media_data: 'A'.repeat(size),
    });
    expect([reply.status, reply.body.exc_type]).toEqual([413, 'RequestEntityTooLarge']);
    expect((await rpc(gateway, 'ping', {})).status).toBe(200);
  });

  it('costs a stranger the upload, not the gateway the memory: 401 without reading it', async () => {
    const stranger = head(`POST ${send}`, `Content-Length: ${size}`).replace(
      authorization,
      'Authorization: token a:b\r\n',
    );
    const reply = await rawRequest(gateway.port, stranger, (socket) => writeBody(socket, size));
    expect(reply.status).toBe(401);
  });
});

describe('a body of 2 MB', () => {
  const size = 2 * mib;
  const upload = (line: string, ...headers: string[]) =>
    rawRequest(
      gateway.port,
      head(line, 'Content-Type: application/json', `Content-Length: ${size}`, ...headers),
      (socket) => writeBody(socket, size),
    );

  it.each([
    'POST /api/method/wap_bridge.api.instances.create_instance',
    'POST /api/method/wap_bridge.api.settings.set_webhook',
    `POST ${gatewayPath}`,
    'GET /api/method/wap_bridge.api.instances.list_instances',
  ])('is more than a call without files takes: 413 for %s', async (line) => {
    const reply = await upload(line);
    expect([reply.status, reply.body.code]).toEqual([413, 'too_large']);
    expect(reply.body.message).toContain(String(mib));
  });

  it('is read where files may come', async () => {
    const body = JSON.stringify({ to_number: '+255755123456', message: 'a'.repeat(size) });
    const reply = await rawRequest(
      gateway.port,
      head(`POST ${send}`, 'Content-Type: application/json', `Content-Length: ${body.length}`),
      (socket) => void socket.write(body),
    );
    expect(reply.status).not.toBe(413);
  });

  it('is not read from a guest, who is refused by the headers alone', async () => {
    const guest = head(`POST ${send}`, `Content-Length: ${size}`, 'Expect: 100-continue').replace(authorization, '');
    const reply = await rawRequest(gateway.port, guest);
    expect([reply.status, reply.interim]).toEqual([403, []]);
    const unknown = head('POST /', `Content-Length: ${size}`, 'Expect: 100-continue').replace(authorization, '');
    expect((await rawRequest(gateway.port, unknown)).status).toBe(413);
  });
});

describe('Expect: 100-continue', () => {
  it('is answered once the caller is known, then the body is read', async () => {
    const body = '{"to_number":"+255755123456","message":"Hi"}';
    const reply = await rawRequest(
      gateway.port,
      head(`POST ${send}`, 'Content-Type: application/json', `Content-Length: ${body.length}`, 'Expect: 100-continue'),
      (socket) => {
        socket.once('data', () => socket.write(body));
      },
    );
    expect(reply.interim).toEqual([100]);
    expect(reply.status).toBe(200);
  });
});

describe('100 calls at the same time', () => {
  it('are all answered, each with an id of its own', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        rpc(gateway, 'wap_bridge.api.whatsapp.send_api_message', {
          to_number: '+255755123456',
          message: `Hi ${index}`,
        }),
      ),
    );
    expect(replies.every((reply) => reply.status === 200)).toBe(true);
    expect(new Set(replies.map((reply) => reply.body.service.id)).size).toBe(100);
  });
});

describe('the connection', () => {
  it('is closed on clients that send their headers drop by drop', async () => {
    await gateway.close();
    gateway = await startGateway({ timeouts: { headersTimeoutMs: 300, requestTimeoutMs: 600, checkIntervalMs: 50 } });
    const reply = await rawRequest(gateway.port, 'GET /api/method/ping HTTP/1.1\r\n');
    expect(reply.status).toBe(408);
  });

  it('is closed on clients that never finish their body', async () => {
    await gateway.close();
    gateway = await startGateway({ timeouts: { headersTimeoutMs: 300, requestTimeoutMs: 600, checkIntervalMs: 50 } });
    const reply = await rawRequest(gateway.port, `${head(`POST ${send}`, 'Content-Length: 100')}{`);
    expect(reply.status).toBe(408);
  });
});
