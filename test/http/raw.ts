import { type Socket, connect } from 'node:net';

/** An answer as it came over the wire. */
interface RawReply {
  status: number;
  headers: Record<string, string>;
  text: string;
  // eslint-disable-next-line typescript/no-explicit-any
  body: any;
  /** Whether the server closed the connection by itself. */
  closed: boolean;
}

/** Writes bytes to a fresh connection and returns the first final answer; `write` gets the socket to go on writing. */
export function rawRequest(
  port: number,
  head: string,
  write?: (socket: Socket) => Promise<void> | void,
): Promise<RawReply & { interim: number[] }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    const interim: number[] = [];
    let closed = false;
    const timer = setTimeout(() => socket.destroy(new Error('no answer within 15 s')), 15_000);

    function look(): void {
      let text = Buffer.concat(chunks).toString('latin1');
      let end = text.indexOf('\r\n\r\n');
      while (end >= 0 && /^HTTP\/1\.1 1\d\d/.test(text)) {
        interim.push(Number(text.slice(9, 12)));
        text = text.slice(end + 4);
        chunks.splice(0, chunks.length, Buffer.from(text, 'latin1'));
        end = text.indexOf('\r\n\r\n');
      }
      if (end < 0) return;
      const [line = '', ...rows] = text.slice(0, end).split('\r\n');
      const headers = Object.fromEntries(
        rows.map((row) => [row.slice(0, row.indexOf(':')).toLowerCase(), row.slice(row.indexOf(':') + 1).trim()]),
      );
      const length = Number(headers['content-length'] ?? 0);
      if (text.length - end - 4 < length) return;
      clearTimeout(timer);
      const payload = Buffer.from(text.slice(end + 4, end + 4 + length), 'latin1').toString('utf8');
      const finish = () => {
        socket.destroy();
        resolve({
          status: Number(line.slice(9, 12)),
          headers,
          text: payload,
          body: payload.startsWith('{') ? JSON.parse(payload) : null,
          closed,
          interim,
        });
      };
      if (headers.connection === 'close') setTimeout(finish, 100);
      else finish();
    }

    socket.on('data', (chunk) => {
      chunks.push(chunk);
      look();
    });
    socket.on('end', () => (closed = true));
    socket.on('error', reject);
    socket.on('connect', () => {
      socket.write(head);
      void Promise.resolve(write?.(socket)).catch(reject);
    });
  });
}

/** Writes `sizeBytes` of body in chunks, at the pace the other side takes them. */
export async function writeBody(socket: Socket, sizeBytes: number): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024, 'a');
  for (let left = sizeBytes; left > 0 && !socket.destroyed; left -= chunk.length) {
    if (!socket.write(chunk.subarray(0, Math.min(left, chunk.length)))) await drained(socket);
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    function done() {
      socket.off('drain', done).off('close', done);
      resolve();
    }
    socket.on('drain', done).on('close', done);
  });
}
