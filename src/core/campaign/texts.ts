import { createHash } from 'node:crypto';
import type { Campaign } from '../../model/campaign.ts';
import { isMediaContent, type OutgoingContent, textOf } from '../../model/content.ts';
import { parseTemplate, type Template, templateSeed } from './template.ts';

/** What each recipient of a campaign is sent. */
export interface Texts {
  /** Returns the content for a recipient: the same each time it is asked. */
  contentFor(
    campaign: Campaign,
    recipient: { phone: string; variables: Record<string, string> | null },
  ): OutgoingContent;
}

const keptTemplates = 200;

/** Returns the writer of personal texts; templates are parsed once and the latest 200 are kept. */
export function createTexts(): Texts {
  const templates = new Map<string, Template>();

  function templateOf(campaign: Campaign): Template {
    const template = templates.get(campaign.id) ?? parseTemplate(campaign.template);
    templates.delete(campaign.id);
    templates.set(campaign.id, template);
    if (templates.size > keptTemplates) templates.delete(templates.keys().next().value!);
    return template;
  }

  return {
    contentFor(campaign, { phone, variables }) {
      const own = Object.entries(variables ?? {}).filter(([, value]) => value.trim() !== '');
      const values = { ...campaign.variables, ...Object.fromEntries(own) };
      const text = templateOf(campaign).render(values, templateSeed(campaign.id, phone));
      if (!campaign.media) return { type: 'text', text };
      return text === '' ? campaign.media : { ...campaign.media, caption: text };
    },
  };
}

/** Returns 32 hex digits that are equal for equal messages: the text and the file. */
export function hashOf(content: OutgoingContent): string {
  const file = isMediaContent(content) ? content.media.mediaId : '';
  return createHash('sha256').update(file).update('\0').update(textOf(content)).digest('hex').slice(0, 32);
}
