import Joi from 'joi';
import ipaddr from 'ipaddr.js';
import { isCountry } from './model/phone.ts';

/** One environment variable: how it is read, what it defaults to, and what a person must know of it. */
export interface Setting {
  /** The key in `Config`. */
  key: keyof Config;
  schema: Joi.Schema;
  /** As shown in the table, when the default is not a plain value. */
  defaultText?: string;
  doc: string;
}

/** Everything the gateway can be told from outside, read once at start. */
export interface Config {
  host: string;
  port: number;
  databaseUrl: string;
  databaseTimeoutMs: number;
  migrateAtStart: boolean;
  dataDir: string;
  publicUrl: string | null;
  secretKey: string | null;
  secretKeyPrevious: string[];
  bootstrapApiKey: string | null;
  bootstrapApiSecret: string | null;
  chromiumPath: string | null;
  chromiumArgs: string[];
  whatsappWebVersion: string | null;
  whatsappWebCacheDir: string | null;
  whatsappWebRecord: boolean;
  featureGate: boolean;
  sandbox: boolean;
  experimentalPasskeyRelay: boolean;
  defaultCountry: string | null;
  startConcurrency: number;
  startStaggerMs: number;
  instanceMemoryLimitMb: number;
  syncSendTimeoutMs: number;
  webhookAllowCidrs: string[];
  webhookAllowPorts: number[];
  webhookHttpsOnly: boolean;
  outboundProxy: string | null;
  webhookTimeoutMs: number;
  webhookBodyMaxBytes: number;
  webhookRetentionDays: number;
  mediaMaxBytes: number;
  mediaInlineMaxBytes: number;
  mediaRetentionDays: number;
  campaignRetentionDays: number;
  auditRetentionDays: number;
  messageRetentionDays: number;
  bodyMaxBytes: number;
  uploadMaxBytes: number;
  rateLimitPerMinute: number;
  corsOrigins: string[];
  logLevel: string;
  logFormat: 'json' | 'pretty';
  metricsToken: string | null;
  minFreeDiskMb: number;
  trustProxy: string[];
}

const mib = 1024 * 1024;
const list = Joi.array().items(Joi.string());
const cidrs = Joi.array().items(Joi.string().custom(checkCidr).messages({ 'any.custom': '{{#error.message}}' }));
const onOff = Joi.boolean().truthy('1', 'yes', 'on').falsy('0', 'no', 'off');
const optional = Joi.string().empty('');

/** One row per environment variable; `npm run config` prints it and the README's table is generated from it. */
export const settings = {
  HOST: {
    key: 'host',
    schema: Joi.string().default('127.0.0.1'),
    doc: 'Address to listen on; `0.0.0.0` for every interface.',
  },
  PORT: { key: 'port', schema: Joi.number().port().default(8080), doc: 'Port to listen on.' },
  DATABASE_URL: {
    key: 'databaseUrl',
    schema: Joi.string()
      .pattern(/^(sqlite:.+|mysql:\/\/.+|mariadb:\/\/.+)$/)
      .message('must be `sqlite:PATH` or `mysql://user:password@host:port/database`')
      .default('sqlite:data/wapbridge.db'),
    doc: '`sqlite:PATH` (embedded) or `mysql://user:password@host:3306/database` (MySQL 8, MariaDB 10.6 or newer).',
  },
  DATABASE_TIMEOUT_MS: {
    key: 'databaseTimeoutMs',
    schema: Joi.number().integer().min(500).max(600_000).default(8_000),
    doc: 'How long the database may take for one statement, before calls answer 503; a call waits half as long again for a connection.',
  },
  MIGRATE_AT_START: {
    key: 'migrateAtStart',
    schema: onOff.default(true),
    doc: 'Bring the database schema up to date at start.',
  },
  DATA_DIR: {
    key: 'dataDir',
    schema: Joi.string().default('data'),
    doc: 'Folder of browser profiles, media and keys. One gateway at a time.',
  },
  PUBLIC_URL: {
    key: 'publicUrl',
    schema: optional.uri({ scheme: ['http', 'https'] }).default(null),
    defaultText: '`http://HOST:PORT`',
    doc: 'The address under which others reach the gateway; used in signed media URLs.',
  },
  SECRET_KEY: {
    key: 'secretKey',
    schema: optional.min(32).default(null),
    defaultText: 'made at first start, kept in `DATA_DIR/secret.key`',
    doc: 'Encrypts stored webhook secrets and signs media URLs; at least 32 characters.',
  },
  SECRET_KEY_PREVIOUS: {
    key: 'secretKeyPrevious',
    schema: Joi.array().items(Joi.string().min(32)).default([]),
    doc: 'Keys before `SECRET_KEY`, separated by commas: they still open what they sealed, which the start seals anew, and media URLs.',
  },
  BOOTSTRAP_API_KEY: {
    key: 'bootstrapApiKey',
    schema: optional
      .pattern(/^[A-Za-z0-9_-]{4,32}$/)
      .message('must be 4–32 letters, digits, `_` or `-`')
      .default(null),
    doc: 'With `BOOTSTRAP_API_SECRET`: a full token of the first account, created at start if it is not there.',
  },
  BOOTSTRAP_API_SECRET: {
    key: 'bootstrapApiSecret',
    schema: optional
      .pattern(/^[A-Za-z0-9_-]{16,64}$/)
      .message('must be 16–64 letters, digits, `_` or `-`')
      .default(null),
    doc: 'The secret of that token.',
  },
  CHROMIUM_PATH: {
    key: 'chromiumPath',
    schema: optional.default(null),
    defaultText: 'found',
    doc: 'The browser to use: a headless shell, Chromium or Chrome.',
  },
  CHROMIUM_ARGS: {
    key: 'chromiumArgs',
    schema: list.default([]),
    doc: 'Arguments appended to the browser’s command line, separated by spaces.',
  },
  WHATSAPP_WEB_VERSION: {
    key: 'whatsappWebVersion',
    schema: optional.pattern(/^[\w.-]+$/).default(null),
    defaultText: 'what `web-version pin` says, else the live page',
    doc: 'Pins the WhatsApp Web page to `WHATSAPP_WEB_CACHE_DIR/VERSION.html`; the start of an instance fails if the file is missing.',
  },
  WHATSAPP_WEB_CACHE_DIR: {
    key: 'whatsappWebCacheDir',
    schema: optional.default(null),
    defaultText: '`DATA_DIR/web-cache`',
    doc: 'Folder of recorded WhatsApp Web pages.',
  },
  WHATSAPP_WEB_RECORD: {
    key: 'whatsappWebRecord',
    schema: onOff.default(false),
    doc: 'Keeps the page of an instance that has been ready for ten minutes with nothing missing; the newest five stay.',
  },
  FEATURE_GATE: {
    key: 'featureGate',
    schema: onOff.default(true),
    doc: 'Whether what the self-test of the page misses is refused with 501, or held in the queue. `false` only reports it and tries everything.',
  },
  SANDBOX: {
    key: 'sandbox',
    schema: onOff.default(false),
    doc: 'Use the stand-in WhatsApp page and its phone simulator at `/sandbox` instead of WhatsApp.',
  },
  EXPERIMENTAL_PASSKEY_RELAY: {
    key: 'experimentalPasskeyRelay',
    schema: onOff.default(false),
    doc: 'Hand signed passkeys on to WhatsApp Web, for numbers that are asked for one when a device is linked. Not tried on a live number.',
  },
  DEFAULT_COUNTRY: {
    key: 'defaultCountry',
    schema: optional.uppercase().custom(checkCountry).messages({ 'any.custom': '{{#error.message}}' }).default(null),
    defaultText: 'the country of the instance’s own number',
    doc: 'Country (ISO, e.g. `TZ`) by which local numbers are read when the request and the instance name none.',
  },
  START_CONCURRENCY: {
    key: 'startConcurrency',
    schema: Joi.number().integer().min(1).max(50).default(3),
    doc: 'Instances that may start at the same time.',
  },
  START_STAGGER_MS: {
    key: 'startStaggerMs',
    schema: Joi.number().integer().min(0).max(60_000).default(2_000),
    doc: 'Pause between the starts of two instances.',
  },
  INSTANCE_MEMORY_LIMIT_MB: {
    key: 'instanceMemoryLimitMb',
    schema: Joi.number().integer().min(0).default(1_500),
    doc: 'Memory of one instance’s browser (MiB) above which it is restarted in good order, at most every half hour; 0 for never.',
  },
  SYNC_SEND_TIMEOUT_MS: {
    key: 'syncSendTimeoutMs',
    schema: Joi.number().integer().min(0).max(120_000).default(15_000),
    doc: 'How long an API send waits for WhatsApp Web before it answers `queued`.',
  },
  WEBHOOK_ALLOW_CIDRS: {
    key: 'webhookAllowCidrs',
    schema: cidrs.default([]),
    doc: 'Private networks that webhooks and media may be fetched from, e.g. `192.168.1.0/24,127.0.0.1/32`.',
  },
  WEBHOOK_ALLOW_PORTS: {
    key: 'webhookAllowPorts',
    schema: Joi.array().items(Joi.number().port().min(1)).default([]),
    doc: 'Ports below 443 that webhooks and media may be fetched from beside 80, e.g. `81,8`; those above are open.',
  },
  WEBHOOK_HTTPS_ONLY: {
    key: 'webhookHttpsOnly',
    schema: onOff.default(false),
    doc: 'Refuses webhooks and media at `http://` addresses.',
  },
  OUTBOUND_PROXY: {
    key: 'outboundProxy',
    schema: optional.uri({ scheme: ['http', 'https'] }).default(null),
    doc: 'HTTP proxy through which webhooks go out and media are fetched, `http://[user:password@]host:port`. It resolves names and decides over their addresses, as smokescreen does; addresses that are named as such are still judged here.',
  },
  WEBHOOK_TIMEOUT_MS: {
    key: 'webhookTimeoutMs',
    schema: Joi.number().integer().min(100).max(120_000).default(15_000),
    doc: 'How long a webhook receiver may take to answer.',
  },
  WEBHOOK_BODY_MAX_BYTES: {
    key: 'webhookBodyMaxBytes',
    schema: Joi.number()
      .integer()
      .min(128 * 1024)
      .default(8 * mib),
    doc: 'Largest body of a webhook; a file that does not fit as base64 is a signed URL.',
  },
  WEBHOOK_RETENTION_DAYS: {
    key: 'webhookRetentionDays',
    schema: Joi.number().integer().min(3).default(14),
    doc: 'Days that events, webhook deliveries and their attempts are kept, and can be sent again.',
  },
  MEDIA_MAX_BYTES: {
    key: 'mediaMaxBytes',
    schema: Joi.number()
      .integer()
      .min(1024)
      .default(64 * mib),
    doc: 'Largest file that is sent or received.',
  },
  MEDIA_INLINE_MAX_BYTES: {
    key: 'mediaInlineMaxBytes',
    schema: Joi.number()
      .integer()
      .min(0)
      .default(5 * mib),
    doc: 'Largest file that a webhook carries as base64; larger ones are a signed URL.',
  },
  MEDIA_RETENTION_DAYS: {
    key: 'mediaRetentionDays',
    schema: Joi.number().integer().min(1).default(30),
    doc: 'Days after which stored files are removed.',
  },
  CAMPAIGN_RETENTION_DAYS: {
    key: 'campaignRetentionDays',
    schema: Joi.number().integer().min(1).default(365),
    doc: 'Days after its end that a campaign and its recipients are kept.',
  },
  MESSAGE_RETENTION_DAYS: {
    key: 'messageRetentionDays',
    schema: Joi.number().integer().min(0).default(365),
    doc: 'Days after which messages are removed from the log, counted from the last that happened to them, and never while webhooks may still tell of them; `0` keeps all.',
  },
  AUDIT_RETENTION_DAYS: {
    key: 'auditRetentionDays',
    schema: Joi.number().integer().min(1).default(365),
    doc: 'Days that the audit log keeps who changed what.',
  },
  BODY_MAX_BYTES: {
    key: 'bodyMaxBytes',
    schema: Joi.number()
      .integer()
      .min(1024)
      .default(36 * mib),
    doc: 'Largest request body of calls that may carry a file (base64 makes it a third larger); others take 1 MiB.',
  },
  UPLOAD_MAX_BYTES: {
    key: 'uploadMaxBytes',
    schema: Joi.number()
      .integer()
      .min(1024)
      .default(128 * mib),
    doc: 'Largest list of campaign recipients in one call; it is kept on disk while it is read.',
  },
  RATE_LIMIT_PER_MINUTE: {
    key: 'rateLimitPerMinute',
    schema: Joi.number().integer().min(1).default(1200),
    doc: 'Calls per minute and token; the ERPNext SMS endpoint has ten times as many.',
  },
  CORS_ORIGINS: {
    key: 'corsOrigins',
    schema: list.default([]),
    doc: 'Browser origins that may call the API, separated by commas; `*` for any.',
  },
  LOG_LEVEL: {
    key: 'logLevel',
    schema: Joi.string().valid('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent').default('info'),
    doc: 'Least severity that is logged.',
  },
  LOG_FORMAT: {
    key: 'logFormat',
    schema: Joi.string().valid('json', 'pretty').default('json'),
    doc: '`pretty` for people at a terminal.',
  },
  MIN_FREE_DISK_MB: {
    key: 'minFreeDiskMb',
    schema: Joi.number().integer().min(0).default(200),
    doc: 'Below so much free space on the disk of `DATA_DIR`, in MiB, `/readyz` answers 503.',
  },
  METRICS_TOKEN: {
    key: 'metricsToken',
    schema: optional
      .pattern(/^[\w.~+/=-]{16,}$/)
      .message('must be at least 16 letters, digits or any of . _ ~ + / = -')
      .default(null),
    defaultText: 'none: `/metrics` is off',
    doc: 'Who sends it as `Authorization: Bearer …` may read `/metrics` (Prometheus).',
  },
  TRUST_PROXY: {
    key: 'trustProxy',
    schema: cidrs.default([]),
    doc: 'Addresses of reverse proxies whose `X-Forwarded-For` is believed, e.g. `127.0.0.1/32`.',
  },
} satisfies Record<string, Setting>;

function checkCidr(text: string): string {
  const [address = ''] = text.split('/');
  if (!ipaddr.isValid(address)) throw new Error(`${text} is not an address`);
  if (!text.includes('/')) return `${text}/${ipaddr.parse(address).kind() === 'ipv4' ? 32 : 128}`;
  ipaddr.parseCIDR(text);
  return text;
}

function checkCountry(text: string): string {
  if (!isCountry(text)) throw new Error(`${text} is not an ISO country`);
  return text;
}
