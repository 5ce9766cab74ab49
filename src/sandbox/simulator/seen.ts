/** A message as `/sandbox/api/messages` gives it. */
export interface SeenMessage {
  id: string;
  from: string;
  author: string | null;
  group: string | null;
  from_phone: string;
  to_phone: string | null;
  type: string;
  text: string | null;
  caption: string | null;
  media: { mime_type: string; filename: string | null; size_bytes: number; url: string } | null;
  at: number;
  changed_at: number;
  repeats: number;
  acks: number;
  edited: boolean;
  revoked: boolean;
  /** Phones and what they reacted with. */
  reactions: Record<string, string>;
  content: Record<string, unknown>;
}

/** An instance as `/sandbox/api/state` gives it. */
export interface SeenInstance {
  instance_id: string;
  status: string;
  phone: string | null;
  online: boolean;
  qr: string | null;
}

/** What `/sandbox/api/state` gives. */
export interface SeenState {
  instances: SeenInstance[];
  people: { phone: string; lid: string; name?: string }[];
  groups: { id: string; subject: string; members: string[] }[];
  acks: number;
}
