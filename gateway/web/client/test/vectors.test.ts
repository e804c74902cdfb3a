// The conformance vectors of the protocol (`gateway/tests/vectors`) from the client's side.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { json, TERMINAL_FROM } from '../src/index.js';
import { msgpack } from '../src/msgpack.js';
import { Script } from './script.js';

/** From `build/test`. */
const folder = new URL('../../../../tests/vectors/', import.meta.url);
const vectors = <T>(name: string): T => JSON.parse(readFileSync(fileURLToPath(new URL(name, folder)), 'utf8')) as T;

interface Vector {
  name: string;
  frame: { t: string; s?: number; [field: string]: unknown };
  msgpack: string;
}

const frames = vectors<Vector[]>('frames.json');

test('both encodings carry the same data', () => {
  for (const { name, frame, msgpack: hex } of frames) {
    const bytes = msgpack.encode(frame) as Uint8Array<ArrayBuffer>;
    assert.equal(Buffer.from(bytes).toString('hex'), hex, name);
    assert.deepEqual(msgpack.decode(new Uint8Array(Buffer.from(hex, 'hex')).buffer), frame, name);
    assert.deepEqual(json.decode(json.encode(frame) as string), frame, name);
    assert.equal(json.size(frame), Buffer.byteLength(JSON.stringify(frame)), name);
    assert.equal(msgpack.size(frame), hex.length / 2, name);
  }
});

test('every frame of a server is taken without losing the connection, but for its goodbye', () => {
  const fromServer = new Set(['ev', 'eph', 'res', 'ping', 'pong', 'goaway', 'lag', 'batch', 'bye']);
  let count = 0;
  for (const { name, frame } of frames) {
    if (!fromServer.has(frame.t)) continue;
    count += 1;
    const script = new Script().online();
    // Each stands for the next one of its stream.
    script.frame(frame.t === 'ev' ? { ...frame, s: 2 } : frame);
    assert.equal(script.core.state, frame.t === 'bye' ? 'waiting' : 'online', name);
  }
  assert.ok(count >= 15, `${count} frames of a server`);
});

test('close codes from 4500 on are final', () => {
  for (const { name, close } of vectors<{ name: string; close: number }[]>('closes.json')) {
    const script = new Script().online();
    script.at(60_000).closed(close);
    const expected = close >= TERMINAL_FROM && close !== 4501 ? 'ended' : 'waiting';
    assert.equal(script.core.state, expected, name);
  }
});

test('refusals of the vectors are told to the caller', () => {
  for (const { name, req, err } of vectors<{ name: string; req: { m?: string; cv?: string; d?: Record<string, unknown> }; err?: string }[]>('requests.json')) {
    if (err === undefined || err === 'conflict' || req.m === undefined) continue;
    const script = new Script().online();
    const ask = { m: req.m, d: req.d, kind: 'keyed' as const, ...(req.cv === undefined ? {} : { cv: req.cv }) };
    if (ask.m === 'message.send' && ask.cv === undefined) continue;
    script.ask(ask);
    script.answer({ err: { code: err, msg: name, retry: false } });
    assert.deepEqual(script.failures(), [err], name);
  }
});
