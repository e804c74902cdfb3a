// The frames of protocol v1 as this client reads and writes them. Unknown kinds, classes and fields are ignored.

import type { WireError } from './errors.js';

export type Role = 'visitor' | 'agent' | 'supervisor' | 'bot' | 'app';
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
  /** It is about to change hands, or a second agent is consulted; agents only. */
  handover?: Handover | null;
  /** It has ended, and its agent may still say how; agents only. */
  wrap?: WrapUp | null;
  /** Goals of service that are owed; agents only. */
  goals?: Goal[];
  /** It rests until then, or until the visitor writes; agents only. */
  snoozed?: { by: string; until_ts: number | null } | null;
  /** It waits in a queue that is closed and opens then. */
  opens_ts?: number | null;
}

/** By when a human should have answered, or the whole be over. */
export interface Goal {
  goal: 'first_response' | 'next_response' | 'resolution';
  queue: string;
  due_ts: number;
  warn_ts: number;
  warned: boolean;
  breached: boolean;
  /** It stands still: business time that is left. */
  paused_left_ms: number | null;
}

/** A handover under way. */
export interface Handover {
  kind: 'transfer' | 'consult' | 'force_assign' | 'take_over';
  state: 'asked' | 'offered' | 'joined';
  to: Person;
  offer: string;
  summary: string;
  expires_ts: number | null;
}

/** An agent says how a conversation ended, in one of `codes` when there are any. */
export interface WrapUp {
  agent: string;
  until_ts: number;
  codes: string[];
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

/** A file that was uploaded: sent as it was given. */
export interface Attachment {
  id?: string;
  url: string;
  mime: string;
  bytes: number;
  sha256?: string;
  name: string;
}

export interface FileContent {
  type: 'image' | 'audio' | 'video' | 'file';
  alt: string;
  att: Attachment;
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
  reply_to?: string;
  edited_ts?: number;
  recalled?: boolean;
}

/** What `d` of an event can hold; which of it depends on the kind. */
export interface EventData {
  phase?: Phase;
  controller?: string | null;
  /** The message of `message.created`; the id of the message of the other `message.*`. */
  message?: Message;
  id?: string;
  content?: Content;
  emoji?: string;
  agent?: Person;
  visitor?: Person;
  channel?: string;
  lang?: string;
  queue?: string;
  offer?: string;
  expires_ts?: number;
  reason?: string;
  by?: string;
  state?: string;
  upto?: number;
  final?: boolean;
  [other: string]: unknown;
}

/** An event of the stream. Those of a log carry `cv`, `ep` and `o`; receipts and the like carry no `o`. */
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

/** An event of a conversation's log: each is handed on once, in the order of `o`. */
export interface LogEvent {
  k: string;
  cv: string;
  ep: number;
  o: number;
  ts: number;
  d: EventData;
}

export interface Snapshot {
  conversations: ConversationView[];
  presence?: Presence;
}

/** What may get lost or be coalesced: `typing`, `queue.position`, `bot.delta`. */
export interface Eph {
  t: 'eph';
  k: string;
  cv?: string;
  d?: { position?: number | null; eta_ms?: number | null; by?: string; [other: string]: unknown };
}

export interface Welcome {
  session: string;
  resume_token?: string;
  resumed: 'full' | 'positions' | 'none';
  stale?: string[];
  from_s?: number;
  principal: { role: Role; id: string; name: string; tenant: string };
  hb?: { interval_ms: number; timeout_ms: number };
  limits?: { frame?: number; inflight?: number; window?: number; rate?: { per_s: number; burst: number } };
  server?: { version: string; node: string };
  features?: string[];
  url?: string;
  retain_s?: number;
}

export interface Goaway {
  reason: string;
  after_ms: number;
  deadline_ms?: number;
  url?: string;
}

/** One page of a conversation's log: `history.page` has messages and events, REST has messages (as `items`) only. */
export interface Page {
  messages: Message[];
  events: { k: string; o: number; ts: number; ep?: number; d: EventData }[];
  next: number | null;
  head: number;
}

/** What the server said when it took a message in for ever. */
export interface Sent {
  id: string;
  cv: string;
  /** 0 when the server no longer knows where it stands (a very old repeat). */
  o: number;
  ep: number;
  ts: number;
  dup?: boolean;
  forwarded?: boolean;
}

/** Any frame from the server. */
export type Frame =
  | { t: 'welcome'; ts: number; d: Welcome }
  | Ev
  | Eph
  | { t: 'res'; id: number; d?: Record<string, unknown>; err?: WireError }
  | { t: 'ping' | 'pong'; n?: number }
  | { t: 'goaway'; d: Goaway }
  | { t: 'lag'; d: { behind: number; mode?: string } }
  | { t: 'batch'; d: Frame[] }
  | { t: 'bye'; code: number; reason: string };
