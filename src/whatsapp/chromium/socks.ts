import { connect, type Socket } from 'node:net';

const VERSION = 5;
const WITH_PASSWORD = 2;
const CONNECT = 1;
const DOMAIN = 3;
/** Length of the address in a reply by its type; a domain brings its own. */
const addressBytes: Record<number, number> = { 1: 4, 4: 16 };

/** Opens a tunnel through a SOCKS 5 proxy with user and password (RFC 1928, RFC 1929); the proxy resolves the name. @throws Error when it refuses or does not answer */
export async function dialSocks(input: {
  proxy: URL;
  user: string;
  password: string;
  host: string;
  port: number;
  timeoutMs: number;
}): Promise<Socket> {
  const { proxy, user, password, host, port, timeoutMs } = input;
  const socket = connect({ host: proxy.hostname.replace(/^\[|\]$/g, ''), port: Number(proxy.port || 1080) });
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('The proxy does not answer')));
  try {
    const read = reader(socket);
    socket.write(Buffer.from([VERSION, 1, WITH_PASSWORD]));
    if ((await read(2))[1] !== WITH_PASSWORD) throw new Error('The proxy takes no password');
    socket.write(Buffer.concat([Buffer.from([1]), field(user), field(password)]));
    if ((await read(2))[1] !== 0) throw new Error('The proxy refuses the login');
    const portBytes = Buffer.from([port >> 8, port & 255]);
    socket.write(Buffer.concat([Buffer.from([VERSION, CONNECT, 0, DOMAIN]), field(host), portBytes]));
    const [, reply, , type = 0] = await read(4);
    if (reply !== 0) throw new Error(`The proxy cannot reach ${host} (code ${reply})`);
    await read((addressBytes[type] ?? (await read(1))[0]!) + 2);
    socket.setTimeout(0);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A text with its length before it. */
function field(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** Returns what reads so many bytes; what comes after them stays in the socket. */
function reader(socket: Socket): (count: number) => Promise<Buffer> {
  return (count) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const bytes = socket.read(count) as Buffer | null;
        if (bytes === null) return;
        stop();
        resolve(bytes);
      };
      const fail = (error?: Error) => {
        stop();
        reject(error ?? new Error('The proxy closed the connection'));
      };
      const ended = () => fail();
      const stop = () => socket.off('readable', look).off('error', fail).off('close', ended);
      socket.on('readable', look).on('error', fail).on('close', ended);
      look();
    });
}
