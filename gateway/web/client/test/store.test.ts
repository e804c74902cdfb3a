// The browser's store, on an IndexedDB and Web Locks of the test.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { type Locks, takeSlot } from '../src/indexeddb.js';

globalThis.IDBKeyRange = IDBKeyRange;

/** Web Locks of one browser: exclusive, by name. */
class FakeLocks implements Locks {
  readonly #held = new Set<string>();
  async request(name: string, _: object, held: (lock: unknown) => Promise<unknown>): Promise<unknown> {
    if (this.#held.has(name)) return held(null);
    this.#held.add(name);
    try {
      return await held({ name });
    } finally {
      this.#held.delete(name);
    }
  }
}

class Session {
  readonly #items = new Map<string, string>();
  getItem = (name: string) => this.#items.get(name) ?? null;
  setItem = (name: string, value: string) => void this.#items.set(name, value);
}

const entry = (id: string, place: number) => ({ name: `entry/${id}`, value: { id, place, m: 'message.send', cv: 'cv_a', key: `k.${place}`, d: {}, ts: 0 } });

test('tabs have slots of their own; a reload finds its slot, and what ended tabs have left is taken over once, in order', async () => {
  const [indexedDB, locks] = [new IDBFactory(), new FakeLocks()];
  const [sessionA, sessionB] = [new Session() as unknown as Storage, new Session() as unknown as Storage];
  const tab = (session: Storage, owner = 'ann') => takeSlot({ owner, indexedDB, locks, session });
  const a = (await tab(sessionA))!;
  const b = (await tab(sessionB))!;
  assert.notEqual(a.device, b.device);
  assert.match(a.device, /^[A-Za-z0-9_-]{1,48}$/);
  await a.store.write([entry('a1', 1), { name: 'lane/cv_a', value: { lane: 'x', n: 1 } }]);
  await b.store.write([entry('b2', 2), entry('b1', 1)]);

  // B reloads: its slot, its device, its outbox; A's is A's.
  await b.store.close?.();
  const again = (await tab(sessionB))!;
  assert.equal(again.device, b.device);
  assert.deepEqual([...(await again.store.load()).keys()].sort(), ['device', 'entry/b1', 'entry/b2']);

  // Both end, a third tab comes: all that waits is its own now, in order, and nothing twice.
  await a.store.close?.();
  await again.store.close?.();
  const c = (await tab(new Session() as unknown as Storage))!;
  assert.equal(c.device, a.device, 'the lowest free slot');
  const kept = await c.store.load();
  const places = [...kept].filter(([name]) => name.startsWith('entry/')).map(([name, value]) => [name, (value as { place: number }).place]);
  assert.deepEqual(places.sort((x, y) => (x[1] as number) - (y[1] as number)), [['entry/a1', 1], ['entry/b1', 2], ['entry/b2', 3]]);
  const d = (await tab(new Session() as unknown as Storage))!;
  assert.deepEqual([...(await d.store.load()).keys()], ['device']);

  const other = (await tab(sessionA, 'bob'))!;
  assert.deepEqual([...(await other.store.load()).keys()], ['device'], 'another person’s outbox is not shown');
  await c.store.write([{ name: 'entry/a1' }]);
  assert.equal((await c.store.load()).has('entry/a1'), false);
});

test('without Web Locks or IndexedDB there is no slot', async () => {
  assert.equal(await takeSlot({ owner: 'ann', indexedDB: new IDBFactory(), locks: undefined as unknown as Locks, session: null }), null);
  assert.equal(await takeSlot({ owner: 'ann', locks: new FakeLocks(), session: null }), null);
});
