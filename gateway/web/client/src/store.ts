// Where a client keeps what must outlive it: the outbox, the keys' lanes, and, if its owner wants, positions and session.

import type { Change } from './core/types.js';

export type { Change } from './core/types.js';

/**
 * What a store must do. One store belongs to one client at a time (see `tabs.ts`).
 * Names are short texts, values are JSON data. A few thousand names at most, a message each.
 */
export interface Store {
  /** Everything, by name. */
  load(): Promise<Map<string, unknown>>;
  /** All changes or none, in the order of the calls; resolves when they are there to stay. */
  write(changes: readonly Change[]): Promise<void>;
  /** Nothing more is written. */
  close?(): void | Promise<void>;
}

/** Lasts as long as the process. A second client of the same process may go on with it. */
export class MemoryStore implements Store {
  readonly #kept = new Map<string, unknown>();

  load(): Promise<Map<string, unknown>> {
    return Promise.resolve(structuredClone(this.#kept));
  }

  write(changes: readonly Change[]): Promise<void> {
    for (const { name, value } of changes) {
      if (value === undefined) this.#kept.delete(name);
      else this.#kept.set(name, structuredClone(value));
    }
    return Promise.resolve();
  }
}
