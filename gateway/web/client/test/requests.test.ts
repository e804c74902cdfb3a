// A line of requests against a server of a few lines: order, once, the end; and when the client falls back to it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../src/client.js';
import { openRequests } from '../src/requests.js';
import { MemoryStore } from '../src/store.js';
import type { WebSocketClass } from '../src/transport.js';

type Frame = Record<string, unknown>;

/** Keeps the frames of one line; `answer` says what the server says to a frame. */
class Server {
  readonly sent: Frame[] = [];
  readonly paths: string[] = [];
  #frames: Frame[] = [];
  #wake: () => void = () => undefined;
  constructor(private readonly answer: (frame: Frame) => Frame[]) {}

  say(frame: Frame): void {
    this.#frames.push(frame);
    this.#wake();
  }

  ask = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = new URL(String(input));
    this.paths.push(url.pathname);
    const since = Number(url.searchParams.get('since') ?? 0);
    if (url.pathname === '/v1/send') {
      for (const frame of JSON.parse(String(init?.body)) as Frame[]) {
        this.sent.push(frame);
        for (const said of this.answer(frame)) this.say(said);
      }
    } else if (this.#frames.length <= since) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        init?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      });
    }
    // Both kinds of request bring what is there: the same frames may come twice.
    return Response.json({ line: 'ln_1', frames: this.#frames.slice(since), since: this.#frames.length });
  };
}

test('frames go and come in order, each once, until the goodbye', async () => {
  const server = new Server((frame) => (frame.t === 'connect' ? [{ t: 'welcome' }] : [{ t: 'res', id: frame.id }]));
  const heard: Frame[] = [];
  const closed = await new Promise<[number, string]>((resolve) => {
    const socket = openRequests(server.ask as typeof fetch, 'http://node', {
      opened: () => {
        socket.send({ t: 'connect' });
        for (const id of [1, 2, 3]) socket.send({ t: 'req', id });
      },
      frame: (frame) => {
        heard.push(frame as Frame);
        if ((frame as Frame).id === 3) server.say({ t: 'bye', code: 4002, reason: 'drain' });
      },
      closed: (code, reason) => resolve([code, reason]),
    });
  });
  assert.deepEqual(closed, [4002, 'drain']);
  assert.deepEqual(server.sent.map((frame) => frame.id ?? frame.t), ['connect', 1, 2, 3]);
  assert.deepEqual(heard.map((frame) => frame.id ?? frame.t), ['welcome', 1, 2, 3, 'bye']);
});

test('a server that does not answer is a broken line', async () => {
  const code = await new Promise<number>((resolve) => {
    const socket = openRequests((() => Promise.reject(new Error('no network'))) as typeof fetch, 'http://node', {
      opened: () => socket.send({ t: 'connect' }),
      frame: () => assert.fail('nobody says anything'),
      closed: resolve,
    });
  });
  assert.equal(code, 1006);
});

/** A network that lets no WebSocket through. */
class Blocked {
  static readonly OPEN = 1;
  static tried = 0;
  readonly readyState = 3;
  onclose: (event: { code: number; reason: string }) => void = () => undefined;
  constructor() {
    Blocked.tried += 1;
    queueMicrotask(() => this.onclose({ code: 1006, reason: '' }));
  }
  send(): void {}
  close(): void {}
}

test('where no WebSocket can be opened the client goes on by requests', async () => {
  const welcome = { t: 'welcome', ts: 1, d: { session: 'se_1', resume_token: 'x', resumed: 'none', stale: [], from_s: 1, principal: {}, hb: { interval_ms: 25_000, timeout_ms: 10_000 }, limits: { frame: 32_768, inflight: 32, window: 1_024, rate: { per_s: 5, burst: 20 } }, server: {}, features: [], retain_s: 120 } };
  const server = new Server((frame) => {
    if (frame.t === 'connect') return [welcome, { t: 'ev', s: 1, k: 'snapshot', ts: 1, d: { conversations: [] } }];
    return frame.t === 'req' ? [{ t: 'res', id: frame.id, d: { cv: 'cv_1', o: 1, phase: 'bot' } }] : [];
  });
  const client = new Client({ url: 'http://node', role: 'visitor', token: () => 'token', WebSocket: Blocked as unknown as WebSocketClass, fetch: server.ask as typeof fetch }, new MemoryStore());
  client.start();
  assert.equal((await client.open()).cv, 'cv_1');
  assert.equal(Blocked.tried, 1);
  await client.close();
  assert.deepEqual(new Set(server.paths), new Set(['/v1/send', '/v1/events']));
});
