import type { Content } from './content.ts';

/**
 * What a linked number can do, each as far as the page of WhatsApp Web still has what it takes. WhatsApp changes that page
 * every few days: a feature whose modules are gone is refused with their names while all others go on.
 */
export const features = {
  send_text: 'Sending texts',
  send_media: 'Sending files',
  send_sticker: 'Sending stickers',
  link_preview: 'Previews of links',
  receive: 'Receiving messages',
  acks: 'Delivery reports',
  history: 'Finding messages that came while away',
  message_changes: 'Edits, deletions and reactions of others',
  download_media: 'Fetching received files',
  check_numbers: 'Checking numbers',
  lid_phones: 'Phone numbers behind LIDs',
  restrictions: 'Reading what WhatsApp keeps the number from',
  pairing_code: 'Linking with a code',
  logout: 'Unlinking',
  reactions: 'Reacting to messages',
  edit: 'Editing messages',
  revoke: 'Deleting messages for everyone',
  star: 'Starring messages',
  pin: 'Pinning messages',
  forward: 'Forwarding messages',
  message_info: 'Who has received and read a message',
  poll_votes: 'Votes on polls',
  event_responses: 'Answers to events',
  read_receipts: 'Marking chats read',
  typing: 'Showing that one is typing',
  presence: 'Own presence, and that of others',
  contacts: 'Contacts',
  save_contact: 'Saving contacts',
  block: 'Blocking contacts',
  profile_picture: 'Profile pictures',
  profile_name: 'Own name',
  about: 'About texts',
  privacy: 'Privacy settings',
  chats: 'Archiving, pinning and muting chats',
  group_create: 'Creating groups',
  group_participants: 'Members and admins of groups',
  group_subject: 'Names of groups',
  group_description: 'Descriptions of groups',
  group_settings: 'Settings of groups',
  group_invites: 'Invite links of groups',
  group_requests: 'Requests to join groups',
  group_leave: 'Leaving groups',
  channels: 'Channels',
  status: 'Status updates',
  labels: 'Labels',
  calls: 'Calls',
  stanzas: 'Typing, presence and calls as they come over the wire',
} as const;

/** The closed set of features. */
export type Feature = keyof typeof features;

/** What this gateway offers today; the others are known for what follows, and nobody need be told that a page lacks them. */
const offered: ReadonlySet<Feature> = new Set([
  'send_text',
  'send_media',
  'send_sticker',
  'link_preview',
  'receive',
  'acks',
  'history',
  'message_changes',
  'download_media',
  'check_numbers',
  'lid_phones',
  'restrictions',
  'pairing_code',
  'logout',
  'stanzas',
]);

/** What became of one mending of the page. */
export interface ShimReport {
  name: string;
  result: 'applied' | 'not_needed' | 'failed';
  error?: string;
}

/** What a page of WhatsApp Web was found to have, at ready and again while something is missing. */
export interface SelfTest {
  webVersion: string;
  /** Feature → what it needs and the page does not have; a feature that is absent here works. */
  missing: Partial<Record<Feature, string[]>>;
  shims: ShimReport[];
  tookMs: number;
}

/** Returns the feature that sending this content takes. */
export function featureOf(content: Pick<Content, 'type'>): Feature {
  if (content.type === 'text') return 'send_text';
  return content.type === 'sticker' ? 'send_sticker' : 'send_media';
}

/** Returns the features that this gateway offers and the page lacks. */
export function missingFeatures({ missing }: SelfTest): Feature[] {
  return featureNames(missing).filter((feature) => offered.has(feature));
}

/** Returns every feature with what it lacks, in the order of the table. */
export function featureList(test: SelfTest): { feature: Feature; missing: string[] }[] {
  return (Object.keys(features) as Feature[]).map((feature) => ({ feature, missing: test.missing[feature] ?? [] }));
}

/** Tells whether two tests say the same of the page. */
export function sameFindings(one: SelfTest, other: SelfTest): boolean {
  return findings(one) === findings(other);
}

function findings({ webVersion, missing, shims }: SelfTest): string {
  return JSON.stringify([webVersion, featureNames(missing).map((feature) => [feature, missing[feature]]), shims]);
}

function featureNames(missing: SelfTest['missing']): Feature[] {
  return (Object.keys(missing) as Feature[]).toSorted();
}
