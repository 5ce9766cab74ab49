import { writeFile } from 'node:fs/promises';
import { type Command, columns } from './command.ts';
import { type Answer, withGateway } from './gateway.ts';

/** `instance diagnose`, `instance events`: why a number does not work. */
export const diagnosisCommands: Record<string, Command> = {
  diagnose: {
    summary:
      'Tells all that is known of an instance: states, queue, failures, browser and page, however dead they are.',
    args: ['id'],
    options: {
      screenshot: { type: 'string', value: 'FILE', doc: 'Saves a picture of the page there, PNG; it may show chats' },
      json: { type: 'boolean', doc: 'As JSON, for a report' },
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const file = typed.text('screenshot');
        const { message: _, ...answer } = await call('instances.diagnose', {
          instance_id: typed.arg('id'),
          screenshot: file !== undefined,
        });
        const picture = await savePicture(answer, file);
        if (typed.flag('json')) context.print(JSON.stringify(answer, null, 2));
        else context.print(report(answer));
        if (picture !== null) context.warn(picture);
      }),
  },

  events: {
    summary: 'Lists the changes of an instance’s state, newest first.',
    args: ['id'],
    options: { limit: { type: 'string', value: 'N', doc: 'So many, 50 by default' } },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const { history } = (await call('instances.instance_history', {
          instance_id: typed.arg('id'),
          limit: typed.text('limit'),
        })) as { history: Answer[] };
        context.print(columns([changeHeads, ...history.map(changeRow)]).join('\n'));
      }),
  },
};

/** Takes the picture out of the answer and returns what is said of it; null when nobody asked for it. */
async function savePicture(answer: Answer, file: string | undefined): Promise<string | null> {
  const browser = answer.browser as { screenshot?: string | null } | null;
  const picture = browser?.screenshot;
  if (browser) delete browser.screenshot;
  if (file === undefined) return null;
  if (!picture) return browser ? 'The page could not be pictured.' : 'There is no page to picture: no browser runs.';
  await writeFile(file, Buffer.from(picture, 'base64'), { mode: 0o600 });
  return `The page is pictured in ${file}.`;
}

/** The parts of the report: heading → its lines. */
const sections: Record<string, (answer: Answer) => string[]> = {
  Instance: (answer) =>
    columns(
      Object.entries(answer)
        .filter(([name, value]) => name !== 'ok' && value !== null && typeof value !== 'object')
        .map(([name, value]) => [name.replaceAll('_', ' '), shown(name, value)]),
    ),
  'What the page lacks': ({ features, missing_features: lacking }) => {
    const known = (features ?? {}) as Record<string, { missing?: string[] }>;
    return ((lacking ?? []) as string[]).map(
      (name) => `${name.replaceAll('_', ' ')}: ${known[name]?.missing?.join(', ')}`,
    );
  },
  'What is mended in the page': ({ shims }) =>
    ((shims ?? []) as Answer[])
      .filter(({ result }) => result !== 'not_needed')
      .map(({ name, result, error }) => `${plain(name)}: ${plain(error ?? result)}`),
  Queue: ({ queue }) => pairs(queue),
  Browser: ({ browser }) => (browser ? pairs(browser) : ['none runs']),
  'Changes of state': ({ history }) => columns([changeHeads, ...(history as Answer[]).map(changeRow)]),
  'Messages that were not sent': ({ failed_messages: failed }) =>
    (failed as Answer[]).length === 0
      ? ['none']
      : columns((failed as Answer[]).map((row) => [row.created_at, row.message, row.status, row.reason].map(plain))),
};

function report(answer: Answer): string {
  return Object.entries(sections)
    .map(([heading, lines]) => [heading, lines(answer)] as const)
    .filter(([, lines]) => lines.length > 0)
    .map(([heading, lines]) => [heading, ...lines.map((line) => `  ${line}`)].join('\n'))
    .join('\n\n');
}

const changeHeads = ['AT', 'STATUS', 'ACTION', 'REASON'];

function changeRow({ at, status, action, reason }: Answer): string[] {
  return [at, status, action, reason].map(plain);
}

/** Nested values are told by their path: `page connection`. */
function pairs(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  const rows = Object.entries(value).flatMap(([name, inner]): string[][] => {
    const label = name.replaceAll('_', ' ');
    if (inner === null || typeof inner !== 'object') return [[label, shown(name, inner)]];
    return Object.entries(inner as Answer).map(([key, text]) => [
      `${label} ${key.replaceAll('_', ' ')}`,
      shown(key, text),
    ]);
  });
  return columns(rows);
}

function shown(name: string, value: unknown): string {
  if (name.endsWith('_bytes') && typeof value === 'number') return `${(value / 1024 / 1024).toFixed(0)} MiB`;
  return plain(value);
}

function plain(value: unknown): string {
  return String(value ?? '-');
}
