// How far each conversation was handed on: what is new, what is a repeat, what must be read by pages, what to resume from.
//
// Invariant: of one conversation every event is handed on once and in the order of `o`. While it is read by pages, what comes live
// is left to the pages: only the offset up to which they must reach is kept.

import type { Change } from './types.js';

/** Most positions that `resume` carries. */
const RESUME_MAX = 256;
/** Most conversations that are remembered; beyond it the one that was touched longest ago is forgotten, closed ones first. */
export const MARKS_MAX = 1_024;

/** Pause before a page that led nowhere is asked for again. */
const AGAIN_MS = 1_000;

export interface Mark {
  ep: number;
  o: number;
  closed: boolean;
}

interface Reading {
  id: number;
  /** Pages must reach at least this offset. */
  until: number;
  /** Where the last page began. */
  from: number;
  asked: boolean;
  notBefore: number;
}

export type Verdict = 'new' | 'repeat' | 'later' | 'reread';

export class Positions {
  readonly #marks = new Map<string, Mark>();
  readonly #readings = new Map<string, Reading>();
  readonly #dirty = new Set<string>();
  #readingId = 0;

  constructor(kept: Iterable<[string, Mark]>) {
    for (const [cv, { ep, o, closed }] of kept) this.#marks.set(cv, { ep, o, closed });
  }

  at(cv: string): Mark | null {
    return this.#marks.get(cv) ?? null;
  }

  /** Judges a live event; a new one moves the position, `later` is left to pages, `reread` is of a log with another identity. */
  admit(cv: string, ep: number, o: number): Verdict {
    const known = this.#marks.get(cv);
    if (known && known.ep !== ep) {
      this.#put(cv, { ep, o: 0, closed: false });
      this.read(cv, o);
      return 'reread';
    }
    const reading = this.#readings.get(cv);
    if (reading) {
      reading.until = Math.max(reading.until, o);
      return 'later';
    }
    if (!known && o > 1) {
      // A conversation that we joined in its middle, or let go of: it is told from its beginning.
      this.#put(cv, { ep, o: 0, closed: false });
      this.read(cv, o);
      return 'later';
    }
    return this.#advance(cv, ep, o);
  }

  /** Judges an event of a page. */
  admitPaged(cv: string, o: number): boolean {
    return this.#advance(cv, this.#marks.get(cv)?.ep ?? 1, o) === 'new';
  }

  closed(cv: string, closed: boolean): void {
    const mark = this.#marks.get(cv);
    if (mark && mark.closed !== closed) this.#put(cv, { ...mark, closed });
  }

  /** From now on `cv` is read by pages, at least up to `until`. */
  read(cv: string, until = 0): void {
    const reading = this.#readings.get(cv);
    if (reading) reading.until = Math.max(reading.until, until);
    else this.#readings.set(cv, { id: (this.#readingId += 1), until, from: -1, asked: false, notBefore: 0 });
  }

  /** Pages to be asked for now. */
  toAsk(now: number): { reading: number; cv: string; after: number }[] {
    const asks = [];
    for (const [cv, reading] of this.#readings) {
      if (reading.asked || reading.notBefore > now) continue;
      reading.asked = true;
      asks.push({ reading: reading.id, cv, after: this.#marks.get(cv)?.o ?? 0 });
    }
    return asks;
  }

  /** When to ask again. */
  due(): number {
    let due = Infinity;
    for (const { asked, notBefore } of this.#readings.values()) if (!asked) due = Math.min(due, notBefore);
    return due;
  }

  /** The conversation of a reading that is still wanted. */
  ofReading(id: number): string | null {
    for (const [cv, reading] of this.#readings) if (reading.id === id) return cv;
    return null;
  }

  /** A page was taken in; true when the conversation is level, else the next page is asked for. */
  paged(cv: string, next: number | null, head: number, now: number): boolean {
    const reading = this.#readings.get(cv);
    if (!reading) return true;
    const mark = this.#marks.get(cv) ?? { ep: 1, o: 0, closed: false };
    const end = Math.max(next ?? head, mark.o);
    if (end > mark.o || !this.#marks.has(cv)) this.#put(cv, { ...mark, o: end });
    if (next === null && end >= reading.until) {
      this.#readings.delete(cv);
      return true;
    }
    // A page that leads nowhere was read where the newest events are not known yet.
    this.again(cv, end > reading.from ? 0 : now + AGAIN_MS);
    reading.from = end;
    return false;
  }

  /** The page is asked for again, not before a time. */
  again(cv: string, notBefore: number): void {
    const reading = this.#readings.get(cv);
    if (!reading) return;
    reading.asked = false;
    reading.id = this.#readingId += 1;
    reading.notBefore = notBefore;
  }

  unreadable(cv: string): void {
    this.#readings.delete(cv);
  }

  forget(cv: string): void {
    this.#readings.delete(cv);
    if (this.#marks.delete(cv)) this.#dirty.add(cv);
  }

  /** The `pos` of a resume: the open conversations, the most recently touched. */
  resume(): Record<string, [number, number]> {
    const open = [...this.#marks].filter(([, mark]) => !mark.closed && mark.o > 0).slice(-RESUME_MAX);
    return Object.fromEntries(open.map(([cv, { ep, o }]) => [cv, [ep, o]]));
  }

  /** What changed since the last call. */
  changes(): Change[] {
    const changes = [...this.#dirty].map((cv) => {
      const mark = this.#marks.get(cv);
      return mark ? { name: `mark/${cv}`, value: mark } : { name: `mark/${cv}` };
    });
    this.#dirty.clear();
    return changes;
  }

  #advance(cv: string, ep: number, o: number): 'new' | 'repeat' {
    const mark = this.#marks.get(cv);
    if (mark && o <= mark.o) return 'repeat';
    this.#put(cv, { ep, o, closed: mark?.closed ?? false });
    return 'new';
  }

  #put(cv: string, mark: Mark): void {
    this.#marks.delete(cv);
    this.#marks.set(cv, mark);
    this.#dirty.add(cv);
    if (this.#marks.size <= MARKS_MAX) return;
    const [first] = this.#marks.keys();
    let oldest = first!;
    for (const [other, { closed }] of this.#marks) {
      if (closed) {
        oldest = other;
        break;
      }
    }
    if (oldest !== cv) this.forget(oldest);
  }
}
