// The store of browsers. All tabs of an origin share one database; each tab has a *slot* of its own in it.
//
// Several tabs of one device must not fight: two sockets with one device id replace each other (close code 4509), and two writers of
// one outbox would send twice. So every tab takes the lowest slot that is free, held by a Web Lock, and the slot is its device: a session
// of its own, which the protocol gives every device anyway. Chosen over one leader for all tabs, because then every event and every
// answer would have to be passed on between tabs that the browser may freeze at any time; the price is a socket per tab.
// The browser frees the lock when a tab ends, however it ends. A reload finds the same slot again; and whoever takes a slot also takes
// over the requests that ended tabs have left in others, with their keys, so nothing is sent twice or forgotten.

import type { Entry } from './core/types.js';
import type { Change, Store } from './store.js';
import { random, uuidv7 } from './uuid.js';

const TABLE = 'kept';
/** More tabs than this share nothing: they keep their outbox in memory. */
const SLOTS_MAX = 16;
/** How long a reloaded page waits for the slot that it had. */
const RELOAD_MS = 1_000;

/** The part of `navigator.locks` that is used. */
export interface Locks {
  request(name: string, options: { ifAvailable?: boolean; signal?: AbortSignal }, held: (lock: unknown) => Promise<unknown>): Promise<unknown>;
}

export interface Slot {
  store: Store;
  /** The device id of this tab. */
  device: string;
}

export interface SlotOptions {
  /** Of whom: outboxes of different people are kept apart. */
  owner: string;
  /** The database's name. */
  database?: string;
  indexedDB?: IDBFactory;
  locks?: Locks;
  /** Where this tab remembers its slot over a reload. */
  session?: Storage | null;
}

/**
 * Takes a slot; null where the browser has no IndexedDB or no Web Locks (outside a secure context), or too many tabs are open: then
 * use a `MemoryStore` and a device id made for the occasion.
 */
export async function takeSlot(options: SlotOptions): Promise<Slot | null> {
  const { owner, database = 'conversa', session = sessionStorageOfPage() } = options;
  const indexedDB = options.indexedDB ?? globalThis.indexedDB;
  const locks = options.locks ?? (globalThis.navigator?.locks as Locks | undefined);
  if (!indexedDB || !locks) return null;
  let db: IDBDatabase;
  try {
    db = await open(indexedDB, database);
  } catch {
    return null;
  }
  const name = (slot: number) => `${database}/${owner}/${slot}`;
  const free = new Map<number, () => void>();
  // A reload may come before the browser has freed what the page before it held.
  const before = recall(session, name(0));
  if (before !== null) await take(locks, name(before), RELOAD_MS).then((release) => release && free.set(before, release));
  for (let slot = 1; slot <= SLOTS_MAX; slot += 1) {
    if (free.has(slot)) continue;
    const release = await take(locks, name(slot), 0);
    if (release) free.set(slot, release);
  }
  const [own] = free.keys();
  if (own === undefined) {
    db.close();
    return null;
  }
  remember(session, name(0), own);
  const prefix = (slot: number) => `${owner}/${slot}/`;
  const others = [...free.keys()].filter((slot) => slot !== own);
  const device = await settle(db, prefix(own), others.map(prefix));
  for (const slot of others) free.get(slot)?.();
  return { device, store: new IndexedDbStore(db, prefix(own), () => free.get(own)?.()) };
}

class IndexedDbStore implements Store {
  constructor(
    private readonly db: IDBDatabase,
    private readonly prefix: string,
    private readonly release: () => void,
  ) {}

  async load(): Promise<Map<string, unknown>> {
    const all = await read(this.db.transaction(TABLE, 'readonly').objectStore(TABLE), this.prefix);
    return new Map([...all].map(([name, value]) => [name.slice(this.prefix.length), value]));
  }

  write(changes: readonly Change[]): Promise<void> {
    const transaction = this.db.transaction(TABLE, 'readwrite', { durability: 'strict' });
    const table = transaction.objectStore(TABLE);
    for (const { name, value } of changes) {
      if (value === undefined) table.delete(this.prefix + name);
      else table.put(value, this.prefix + name);
    }
    return done(transaction);
  }

  close(): void {
    this.db.close();
    this.release();
  }
}

/** The device of the own slot, and, in the same transaction, what ended tabs have left. */
async function settle(db: IDBDatabase, own: string, others: string[]): Promise<string> {
  const transaction = db.transaction(TABLE, 'readwrite', { durability: 'strict' });
  const table = transaction.objectStore(TABLE);
  const kept = await read(table, own);
  const device = (kept.get(`${own}device`) as string | undefined) ?? `web-${uuidv7(Date.now(), random)}`;
  table.put(device, `${own}device`);
  let place = Math.max(0, ...entries(kept, own).map((entry) => entry.place));
  for (const other of others) {
    for (const entry of entries(await read(table, other), other)) {
      place += 1;
      table.put({ ...entry, place }, `${own}entry/${entry.id}`);
      table.delete(`${other}entry/${entry.id}`);
    }
  }
  await done(transaction);
  return device;
}

function entries(kept: Map<string, unknown>, prefix: string): Entry[] {
  const found = [...kept].filter(([name]) => name.startsWith(`${prefix}entry/`)).map(([, value]) => value as Entry);
  return found.sort((a, b) => a.place - b.place);
}

/** Holds a lock until it is released; null when somebody else has it for longer than we wait. */
function take(locks: Locks, name: string, wait_ms: number): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    const held = (lock: unknown) => {
      if (!lock) {
        resolve(null);
        return Promise.resolve();
      }
      return new Promise<void>((release) => resolve(release));
    };
    const options = wait_ms > 0 ? { signal: AbortSignal.timeout(wait_ms) } : { ifAvailable: true };
    locks.request(name, options, held).catch(() => resolve(null));
  });
}

/** The slot of this tab before a reload. */
function recall(session: Storage | null, name: string): number | null {
  const slot = Number(session?.getItem(name) ?? Number.NaN);
  return Number.isInteger(slot) && slot >= 1 && slot <= SLOTS_MAX ? slot : null;
}

function remember(session: Storage | null, name: string, slot: number): void {
  try {
    session?.setItem(name, String(slot));
  } catch {
    // Full or forbidden: then the lowest free slot has to do.
  }
}

function sessionStorageOfPage(): Storage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

function open(indexedDB: IDBFactory, database: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database cannot be opened'));
  });
}

function read(table: IDBObjectStore, prefix: string): Promise<Map<string, unknown>> {
  return new Promise((resolve, reject) => {
    const found = new Map<string, unknown>();
    const request = table.openCursor(IDBKeyRange.bound(prefix, `${prefix}\uffff`));
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor) return resolve(found);
      found.set(String(cursor.key), cursor.value);
      cursor.continue();
    };
    request.onerror = () => reject(request.error ?? new Error('the database cannot be read'));
  });
}

function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    const failed = () => reject(transaction.error ?? new Error('the database cannot be written'));
    transaction.onerror = failed;
    transaction.onabort = failed;
  });
}
