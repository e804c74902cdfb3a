// What goes into the state machine and what comes out of it. All of it is data: a test reads it, a shell carries it out.

import type { Encoding } from '../encoding.js';
import type { ClientError, Ending, Refused, WireError } from '../errors.js';
import type { Eph, EventData, LogEvent, Page, Role, Sent, Snapshot, Welcome } from '../frames.js';

/** A request that waits in the outbox. It is stored as it is. */
export interface Entry {
  /** Its name in this client, a UUIDv7; also its key, unless it is a message. */
  id: string;
  /** The place in the order in which the caller asked. */
  place: number;
  m: string;
  /** The conversation; null for a message that waits for one (`bind`), and for methods without one. */
  cv: string | null;
  /** The idempotency key: the same in every repeat. A message gets its key when its turn comes. */
  key: string | null;
  d: Record<string, unknown>;
  /** When the caller asked, our time. */
  ts: number;
}

/** What a store keeps, by name: `entry/<id>`, `mark/<cv>`, `lane/<cv>`, `session`. */
export interface Change {
  name: string;
  /** Undefined: remove it. */
  value?: unknown;
}

export interface Config {
  url: string;
  role: Role;
  device: string;
  name: string;
  version: string;
  encoding: Encoding;
  /** Keep positions and session in the store, for an owner that keeps what it was told; else each client begins anew. */
  remember: boolean;
  /** Most requests in the outbox. */
  outboxMax: number;
  random(): number;
}

export interface Ask {
  m: string;
  cv?: string | undefined;
  d?: Record<string, unknown> | undefined;
  /** `stored`: keyed and kept over restarts; `keyed`: keyed, ends with this client; `plain`: changes nothing, needs no key. */
  kind: 'stored' | 'keyed' | 'plain';
  /** Give up after this time; only for what is not stored. */
  withinMs?: number | undefined;
}

export type Input =
  | { in: 'start' }
  | { in: 'stop' }
  | { in: 'tick' }
  | { in: 'token'; socket: number; token: string }
  | { in: 'no_token'; socket: number; final: boolean; reason: string }
  | { in: 'opened'; socket: number }
  | { in: 'frame'; socket: number; frame: unknown }
  | { in: 'closed'; socket: number; code: number; reason: string }
  /** `ref` is the caller's number of the ask, given back in `settle`. */
  | { in: 'ask'; ref: number; ask: Ask }
  | { in: 'bind'; cv: string }
  | { in: 'discard'; id: string }
  | { in: 'ephemeral'; frame: Record<string, unknown> }
  | { in: 'catch_up'; ref: number; cv: string }
  | { in: 'forget'; cv: string }
  | { in: 'page'; reading: number; page: Page }
  | { in: 'no_page'; reading: number; err: WireError | null }
  | { in: 'written'; write: number }
  | { in: 'unwritten'; write: number; reason: string }
  /** The machine's network came back, or the page is looked at again. */
  | { in: 'hurry' };

export type Effect =
  | { do: 'token'; socket: number; fresh: boolean }
  | { do: 'open'; socket: number; url: string }
  | { do: 'send'; socket: number; frame: Record<string, unknown> }
  | { do: 'close'; socket: number; code: number; reason: string }
  | { do: 'write'; write: number; changes: Change[] }
  | { do: 'read'; reading: number; cv: string; after: number; limit: number }
  | { do: 'settle'; ref: number; result: unknown }
  | { do: 'fail'; ref: number; error: Refused | ClientError }
  | { do: 'tell'; told: Told };

export type LinkState = 'idle' | 'connecting' | 'online' | 'waiting' | 'ended';

/** What the owner is told, in this order. */
export type Told =
  | { type: 'state'; state: LinkState; ending: Ending | null }
  | { type: 'welcome'; welcome: Welcome; ts: number }
  | { type: 'snapshot'; snapshot: Snapshot }
  /** `own`: said by this client and confirmed just now. */
  | { type: 'event'; event: LogEvent; own: boolean }
  /** Counted events without a place in a log: `receipt`, `auth.expiring`, `config.changed`. */
  | { type: 'update'; k: string; cv: string | null; ts: number; d: EventData }
  | { type: 'ephemeral'; eph: Eph }
  /** The log has another identity now: forget what you know of it; it is told again from its beginning. */
  | { type: 'reread'; cv: string; ep: number }
  /** What was missed cannot be read. */
  | { type: 'unreadable'; cv: string; err: WireError }
  | { type: 'outbox'; waiting: readonly Entry[] }
  | { type: 'sent'; entry: Entry; sent: Sent }
  | { type: 'failed'; entry: Entry; error: Refused | ClientError }
  | { type: 'lag'; behind: number }
  | { type: 'goaway'; reason: string; after_ms: number };
