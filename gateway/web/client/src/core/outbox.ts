// What a client still has to ask: requests that wait, that are on their way, that are to be repeated.
//
// Invariants: what is kept is stored before it leaves; of one conversation one keyed request at most is on its way, in the order in
// which the caller asked; a repeat carries the key of the first attempt, however many connections lie between.

import { backoffMs } from '../backoff.js';
import type { WireError } from '../errors.js';
import { Bucket } from './bucket.js';
import { Lanes } from './lanes.js';
import type { Ask, Change, Entry } from './types.js';

/** Requests on their way before the server has told its limit. */
const IN_FLIGHT = 8;
/** A server answers within 30 s; after this the line is taken for dead. */
const ANSWER_MS = 35_000;
/** A conflict means that our numbers are not the server's: another lane is tried, this often. */
const CONFLICTS_MAX = 2;

interface Waiting {
  entry: Entry;
  kind: Ask['kind'];
  /** Whoever waits for the answer; null for what an earlier client has stored. */
  ref: number | null;
  /** The write that keeps it must be done before it leaves. */
  write: number;
  attempts: number;
  conflicts: number;
  notBefore: number;
  until: number;
  /** The request's number, while it is on its way. */
  id: number | null;
  asked: number;
}

export type Answer =
  | { is: 'done'; waiting: Waiting; d: Record<string, unknown> }
  | { is: 'refused'; waiting: Waiting; err: WireError }
  /** It is repeated; `unknown`: nobody knows whether it was taken in, and this stream may have missed it. */
  | { is: 'again'; unknown: boolean }
  | { is: 'nobody' };

export class Outbox {
  #waiting: Waiting[] = [];
  #place = 0;
  #requestId = 0;
  #inFlightMax = IN_FLIGHT;
  #pausedUntil = 0;
  #bucket: Bucket | null = null;
  #written = 0;
  readonly #lanes: Lanes;
  readonly #dirty = new Map<string, Change>();

  constructor(
    kept: Entry[],
    lanes: Lanes,
    private readonly random: () => number,
  ) {
    this.#lanes = lanes;
    for (const entry of kept.toSorted((a, b) => a.place - b.place)) {
      // One with a key may have been sent by the client that stored it.
      this.#waiting.push({ ...fresh(entry, 'stored', null), attempts: entry.key === null ? 0 : 1 });
      this.#place = entry.place;
    }
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** What waits and changes something, in order. */
  entries(): Entry[] {
    return this.#waiting.filter(({ kind }) => kind !== 'plain').map(({ entry }) => entry);
  }

  /** A connection begins: its limits. */
  begin(inFlightMax: number | undefined, rate: { per_s: number; burst: number } | undefined, now: number): void {
    this.#inFlightMax = Math.max(1, inFlightMax ?? IN_FLIGHT);
    this.#pausedUntil = 0;
    this.#bucket = rate && rate.per_s > 0 && rate.burst >= 1 ? new Bucket(rate.per_s, rate.burst, now) : null;
  }

  /** Takes a request; `write` is the number of the write that will keep it. */
  add(ref: number, ask: Ask, id: string, ts: number, write: number): Entry {
    this.#place += 1;
    const entry: Entry = { id, place: this.#place, m: ask.m, cv: ask.cv ?? null, key: null, d: ask.d ?? {}, ts };
    if (ask.kind !== 'plain' && ask.m !== 'message.send') entry.key = id;
    const waiting = { ...fresh(entry, ask.kind, ref), write: ask.kind === 'stored' ? write : 0 };
    if (ask.withinMs !== undefined && ask.kind !== 'stored') waiting.until = ts + ask.withinMs;
    const first = !this.#waiting.some((other) => group(other) === group(waiting));
    this.#waiting.push(waiting);
    // The usual case, a single message: its key is known at once, and one write keeps all.
    if (first && entry.m === 'message.send' && entry.cv !== null) entry.key = this.#lanes.next(entry.cv);
    if (ask.kind === 'stored') this.#put(entry);
    return entry;
  }

  /** A caller who only wants the newest mark replaces what has not left yet. */
  replace(m: string, cv: string): Waiting | null {
    const at = this.#waiting.findIndex(({ entry, id }) => entry.m === m && entry.cv === cv && id === null);
    return at < 0 ? null : this.#remove(this.#waiting[at]!);
  }

  /** Gives the messages that wait for a conversation theirs. */
  bind(cv: string, write: number): void {
    for (const waiting of this.#waiting) {
      const { entry } = waiting;
      if (entry.cv !== null || entry.m !== 'message.send') continue;
      this.#change(waiting, { cv }, write);
    }
  }

  /** Takes back what never left. */
  discard(id: string): Waiting | null {
    const at = this.#waiting.findIndex(({ entry, attempts }) => entry.id === id && attempts === 0);
    return at < 0 ? null : this.#remove(this.#waiting[at]!);
  }

  written(write: number): void {
    this.#written = Math.max(this.#written, write);
  }

  /** What could not be kept is not sent. */
  unwritten(write: number): Waiting[] {
    const lost = this.#waiting.filter((waiting) => waiting.write === write && waiting.attempts === 0);
    for (const waiting of lost) this.#remove(waiting);
    this.written(write);
    return lost;
  }

  /** The next request to leave, if any may; `write` is the number of the write that will keep its key. */
  next(now: number, write: number): Waiting | null {
    if (now < this.#pausedUntil || this.#inFlight() >= this.#inFlightMax) return null;
    const blocked = new Set<string>();
    for (const waiting of this.#waiting) {
      const of = group(waiting);
      if (of !== null && blocked.has(of)) continue;
      if (of !== null) blocked.add(of);
      if (waiting.id !== null || waiting.notBefore > now || waiting.write > this.#written) continue;
      const { entry } = waiting;
      if (entry.m === 'message.send') {
        if (entry.cv === null) continue;
        if (entry.key === null) {
          this.#change(waiting, { key: this.#lanes.next(entry.cv) }, write);
          if (waiting.write > this.#written) continue;
        }
      }
      if (this.#bucket && !this.#bucket.take(now)) return null;
      this.#requestId += 1;
      waiting.id = this.#requestId;
      waiting.attempts += 1;
      waiting.asked = now;
      return waiting;
    }
    return null;
  }

  answer(id: number, d: Record<string, unknown> | undefined, err: WireError | undefined, now: number): Answer {
    const waiting = this.#waiting.find((other) => other.id === id);
    if (!waiting) return { is: 'nobody' };
    waiting.id = null;
    const { entry } = waiting;
    if (!err) {
      if (entry.m === 'message.send' && entry.cv !== null && entry.key !== null) this.#lanes.accepted(entry.cv, entry.key);
      return { is: 'done', waiting: this.#remove(waiting), d: d ?? {} };
    }
    if (err.retry) {
      const wait = err.retry_after_ms ?? backoffMs(waiting.attempts - 1, this.random());
      waiting.notBefore = now + wait;
      // These two are about the socket and the node, not about this one request.
      if (err.code === 'rate_limited' || err.code === 'overloaded') this.#pausedUntil = now + wait;
      return { is: 'again', unknown: err.code === 'deadline' && entry.m === 'message.send' };
    }
    if (err.code === 'conflict' && entry.m === 'message.send' && entry.cv !== null && waiting.conflicts < CONFLICTS_MAX) {
      waiting.conflicts += 1;
      this.#lanes.leave(entry.cv);
      this.#change(waiting, { key: null }, 0);
      return { is: 'again', unknown: false };
    }
    return { is: 'refused', waiting: this.#remove(waiting), err };
  }

  /** Not sent after all: it does not fit. */
  reject(waiting: Waiting): void {
    this.#remove(waiting);
  }

  /** The connection is gone: all that was on its way leaves again on the next one, in its order. */
  lost(): void {
    for (const waiting of this.#waiting) {
      if (waiting.id === null) continue;
      waiting.id = null;
      waiting.notBefore = 0;
    }
  }

  /** Conversations with a message of which nobody knows whether it was taken in. */
  inDoubt(): Set<string> {
    const doubtful = this.#waiting.filter(({ entry, attempts }) => attempts > 0 && entry.m === 'message.send');
    return new Set(doubtful.map(({ entry }) => entry.cv ?? ''));
  }

  /** What nobody waits for any longer. */
  expired(now: number): Waiting[] {
    return this.#waiting.filter(({ until }) => until <= now).map((waiting) => this.#remove(waiting));
  }

  /** True when an answer should have come long ago. */
  stuck(now: number): boolean {
    return this.#waiting.some(({ id, asked }) => id !== null && now >= asked + ANSWER_MS);
  }

  idle(): boolean {
    return this.#inFlight() === 0;
  }

  /** The client ends: whoever waits is told; what is stored stays stored. */
  end(): number[] {
    const refs = this.#waiting.flatMap(({ ref }) => (ref === null ? [] : [ref]));
    for (const waiting of this.#waiting) waiting.ref = null;
    this.#waiting = this.#waiting.filter(({ kind }) => kind === 'stored');
    return refs;
  }

  /** When to look again, if nothing else happens before; `live` says whether anything may leave. */
  due(now: number, live: boolean): number {
    let due = Infinity;
    for (const { id, asked, notBefore, until } of this.#waiting) {
      due = Math.min(due, until);
      if (!live) continue;
      if (id !== null) due = Math.min(due, asked + ANSWER_MS);
      else if (notBefore > now) due = Math.min(due, notBefore);
    }
    if (!live || this.#waiting.every(({ id }) => id !== null)) return due;
    if (this.#pausedUntil > now) due = Math.min(due, this.#pausedUntil);
    const bucket = this.#bucket?.due() ?? 0;
    return bucket > now ? Math.min(due, bucket) : due;
  }

  /** What changed since the last call. */
  changes(): Change[] {
    const changes = [...this.#dirty.values(), ...this.#lanes.changes()];
    this.#dirty.clear();
    return changes;
  }

  #inFlight(): number {
    return this.#waiting.filter(({ id }) => id !== null).length;
  }

  #change(waiting: Waiting, change: Partial<Entry>, write: number): void {
    waiting.entry = { ...waiting.entry, ...change };
    if (waiting.kind !== 'stored') return;
    waiting.write = Math.max(waiting.write, write);
    this.#put(waiting.entry);
  }

  #put(entry: Entry): void {
    this.#dirty.set(entry.id, { name: `entry/${entry.id}`, value: entry });
  }

  #remove(waiting: Waiting): Waiting {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    if (waiting.kind === 'stored') this.#dirty.set(waiting.entry.id, { name: `entry/${waiting.entry.id}` });
    return waiting;
  }
}

function fresh(entry: Entry, kind: Ask['kind'], ref: number | null): Waiting {
  return { entry, kind, ref, write: 0, attempts: 0, conflicts: 0, notBefore: 0, until: Infinity, id: null, asked: 0 };
}

/** Requests of one group leave one after the other: those of a conversation, or of a method without one. Reads and marks do not wait. */
function group({ entry, kind }: Waiting): string | null {
  if (kind === 'plain' || entry.m === 'receipt.read') return null;
  return entry.cv ?? (entry.m === 'message.send' ? '' : `:${entry.m}`);
}
