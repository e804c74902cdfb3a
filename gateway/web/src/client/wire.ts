// The frames of protocol v1 as this client reads and writes them (JSON encoding). Unknown kinds and fields are ignored.

export type Role = 'visitor' | 'agent' | 'supervisor';
export type Phase = 'bot' | 'queued' | 'offered' | 'assigned' | 'closed';
export type PresenceState = 'online' | 'away' | 'offline';

export interface Person {
  id: string;
  name: string;
}

export interface Offer {
  offer: string;
  agent: string;
  expires_ts: number;
}

/** A conversation as it stands at offset `o`. */
export interface ConversationView {
  cv: string;
  ep: number;
  o: number;
  phase: Phase;
  controller: string | null;
  channel: string;
  lang: string;
  visitor: Person;
  agent: Person | null;
  queue: string | null;
  offer: Offer | null;
  opened_ts: number;
  closed_ts: number | null;
  waiting_since_ts: number | null;
}

export interface Presence {
  state: PresenceState;
  capacity: number;
  places: number;
}

export interface Field {
  label: string;
  value: string;
}

export interface CardAction {
  id: string;
  kind: string;
  label: string;
  value: string;
}

export interface Card {
  type: 'card';
  alt: string;
  variant: string;
  title: string;
  subtitle?: string;
  fields?: Field[];
  price?: { amount_minor: number; currency: string };
  status?: string;
  actions?: CardAction[];
  ref?: { system: string; id: string };
}

export interface Choices {
  type: 'choices';
  alt: string;
  text: string;
  options: { id: string; label: string; value?: string }[];
  multi?: boolean;
}

export interface FileContent {
  type: 'image' | 'audio' | 'video' | 'file';
  alt: string;
  att: { id?: string; url: string; mime: string; bytes: number; name: string };
}

export interface SystemContent {
  type: 'system';
  alt: string;
  event: string;
}

export type Content =
  | { type: 'text'; text: string }
  | Card
  | Choices
  | FileContent
  | SystemContent
  | { type: 'location' | 'form' | 'custom'; alt: string };

export type AuthorKind = 'visitor' | 'agent' | 'bot' | 'system';

export interface Message {
  id: string;
  cv: string;
  o: number;
  ts: number;
  key: string | null;
  author: { kind: AuthorKind; id: string; name: string };
  content: Content;
  visibility: 'public' | 'internal';
}

/** What `d` of an event can hold; which of it depends on the kind. */
export interface EventData {
  phase?: Phase;
  controller?: string | null;
  message?: Message;
  agent?: Person;
  visitor?: Person;
  channel?: string;
  lang?: string;
  queue?: string;
  offer?: string;
  expires_ts?: number;
  reason?: string;
  by?: 'visitor' | 'agent' | 'system';
}

export interface Ev {
  t: 'ev';
  s: number;
  k: string;
  cv?: string;
  ep?: number;
  o?: number;
  ts: number;
  d: EventData;
}

export interface Snapshot {
  conversations: ConversationView[];
  presence?: Presence;
}

export interface Eph {
  t: 'eph';
  k: string;
  cv?: string;
  d?: { position?: number };
}

export interface WireError {
  code: string;
  msg: string;
  retry: boolean;
  retry_after_ms?: number;
  field?: string;
}

export interface Welcome {
  session: string;
  resumed: string;
  stale: string[];
  principal: { role: Role; id: string; name: string; tenant: string };
  hb: { interval_ms: number; timeout_ms: number };
}

export interface Page {
  messages: Message[];
  events: { k: string; o: number; ts: number; ep?: number; d: EventData }[];
  next: number | null;
  head: number;
}

export type Frame =
  | { t: 'welcome'; ts: number; d: Welcome }
  | Ev
  | Eph
  | { t: 'res'; id: number; d?: Record<string, unknown>; err?: WireError }
  | { t: 'ping' | 'pong'; n?: number }
  | { t: 'bye'; code: number; reason: string };
