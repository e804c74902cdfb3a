// The keys of messages: `<lane>.<n>`. The lane is a UUIDv7 of this client in one conversation, and n = 1, 2, 3 … without a gap
// counts the messages in it.
//
// Why not a bare UUIDv7: a node can remember a mark per lane for ever, but not every key that was ever used. As a whole the key is still
// unique for ever and means nothing to a server that takes any key. A number that was refused is used again; when the server does
// not agree with our numbers (a restored store) the lane is left and another one begins.

import { uuidv7 } from '../uuid.js';
import type { Change } from './types.js';

/** Lanes that are kept; beyond it the one used longest ago is left. */
const LANES_MAX = 1_024;

export interface Lane {
  lane: string;
  /** The last number that was accepted. */
  n: number;
}

export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #dirty = new Set<string>();

  constructor(
    kept: Iterable<[string, Lane]>,
    private readonly now: () => number,
    private readonly random: () => number,
  ) {
    for (const [cv, lane] of kept) this.#lanes.set(cv, lane);
  }

  /** The key of the next message in `cv`; the same until one is accepted. */
  next(cv: string): string {
    let lane = this.#lanes.get(cv);
    if (!lane) this.#put(cv, (lane = { lane: uuidv7(this.now(), this.random), n: 0 }));
    return `${lane.lane}.${lane.n + 1}`;
  }

  accepted(cv: string, key: string): void {
    const dot = key.lastIndexOf('.');
    const lane = this.#lanes.get(cv);
    const n = Number(key.slice(dot + 1));
    // A key of an earlier lane, or of another store's, says nothing about ours.
    if (lane && lane.lane === key.slice(0, dot) && n > lane.n) this.#put(cv, { ...lane, n });
  }

  /** The server does not agree: the next message begins another lane. */
  leave(cv: string): void {
    if (this.#lanes.delete(cv)) this.#dirty.add(cv);
  }

  changes(): Change[] {
    const changes = [...this.#dirty].map((cv) => {
      const lane = this.#lanes.get(cv);
      return lane ? { name: `lane/${cv}`, value: lane } : { name: `lane/${cv}` };
    });
    this.#dirty.clear();
    return changes;
  }

  #put(cv: string, lane: Lane): void {
    this.#lanes.delete(cv);
    this.#lanes.set(cv, lane);
    this.#dirty.add(cv);
    if (this.#lanes.size > LANES_MAX) this.leave(this.#lanes.keys().next().value!);
  }
}
