import { block } from './block.ts';
import { channelPreview } from './channel-preview.ts';
import { chatFind } from './chat-find.ts';
import { downloadOptions } from './download-options.ts';
import { goneModules } from './gone-modules.ts';
import { groupDescription } from './group-description.ts';
import { groupMembers } from './group-members.ts';
import { mediaId } from './media-id.ts';
import { readyRace } from './ready-race.ts';
import { sendResults } from './send-results.ts';
import { serializedIds } from './serialized-ids.ts';
import type { Shim, ShimStage } from './shim.ts';
import { statusMedia } from './status-media.ts';
import { whatsNew } from './whats-new.ts';

/** Every shim, in the order in which they run. One that the library has made superfluous is removed here. */
export const shims: readonly Shim[] = [
  goneModules,
  whatsNew,
  serializedIds,
  chatFind,
  mediaId,
  statusMedia,
  channelPreview,
  block,
  groupDescription,
  groupMembers,
  sendResults,
  downloadOptions,
  readyRace,
];

/** Returns the shims of one stage. */
export function shimsOf(stage: ShimStage): readonly Shim[] {
  return shims.filter((shim) => shim.stage === stage);
}
