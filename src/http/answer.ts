/** What goes back over HTTP: JSON-able bodies are written as compact JSON, texts and bytes as they are. */
export interface Answer {
  status: number;
  /** Absent: JSON for objects, text for strings, bytes for buffers. */
  contentType?: string;
  headers?: Record<string, string>;
  /** `undefined` is an empty answer. */
  body?: unknown;
}

const rawMark = Symbol('raw answer');

/** An answer that a handler gives in place of a value, so that the dialect's success envelope is not put around it. */
type RawAnswer = Answer & { [rawMark]: true };

/** Returns an answer that goes out as it is: an image, a text, an empty 204. */
export function rawAnswer(answer: Answer): RawAnswer {
  return { ...answer, [rawMark]: true };
}

/** Tells whether a handler's result is a whole answer already. */
export function isRawAnswer(value: unknown): value is RawAnswer {
  return typeof value === 'object' && value !== null && rawMark in value;
}
