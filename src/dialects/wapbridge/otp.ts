import { type Priority, priorities } from '../../model/message.ts';

const code = /(?<!\d)\d{4,8}(?!\d)/;
const words =
  /\b(?:otp|passcode|one[- ]time (?:code|pin|password)|(?:verification|security|login|authentication|confirmation) (?:code|pin))\b/i;
const shortTtlSeconds = 600;
const shortTextLength = 160;

/**
 * Returns the priority of an ERPNext text. It is an OTP, before everything else, when it holds a number of 4–8 digits and either
 * names itself (`Your verification code is 123456`, Frappe's own words) or is short (≤ 160 characters) and allowed to live at most 10 minutes.
 */
export function priorityOf(input: { text: string; ttlSeconds?: number | undefined }): Priority {
  if (!code.test(input.text)) return priorities.interactive;
  if (words.test(input.text)) return priorities.otp;
  const isShort =
    input.text.length <= shortTextLength && input.ttlSeconds !== undefined && input.ttlSeconds <= shortTtlSeconds;
  return isShort ? priorities.otp : priorities.interactive;
}
