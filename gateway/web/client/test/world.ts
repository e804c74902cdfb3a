// A world for the machine: virtual time, a server that follows the protocol and may forget everything but its logs, sockets that are
// slow, die with or without a word, and a store that takes its time. Same seed, same story.

import { Core } from '../src/core/core.js';
import type { Ask, Effect, Input, Told } from '../src/core/types.js';
import { json } from '../src/encoding.js';
import type { LogEvent, Page } from '../src/frames.js';

export type Random = () => number;

/** mulberry32: small, and good enough to tell stories. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Time {
  now = 1_000_000;
  #queue: { at: number; place: number; run: () => void }[] = [];
  #place = 0;

  after(ms: number, run: () => void): void {
    this.#place += 1;
    this.#queue.push({ at: this.now + Math.max(0, Math.round(ms)), place: this.#place, run });
  }

  /** Runs what is due until `until`; false when nothing is left. */
  step(until: number): boolean {
    if (this.#queue.length === 0) return false;
    let first = 0;
    for (let at = 1; at < this.#queue.length; at += 1) {
      const [a, b] = [this.#queue[at]!, this.#queue[first]!];
      if (a.at < b.at || (a.at === b.at && a.place < b.place)) first = at;
    }
    const { at, run } = this.#queue[first]!;
    if (at > until) return false;
    this.#queue.splice(first, 1);
    this.now = at;
    run();
    return true;
  }
}

interface Event {
  k: string;
  o: number;
  ts: number;
  d: { message?: { id: string; cv: string; o: number; ts: number; key: string; author: { kind: 'visitor'; id: string; name: string }; content: { type: 'text'; text: string }; visibility: 'public' } };
}

interface Session {
  id: string;
  token: string;
  person: string;
  s: number;
  /** Since the last acknowledgement, for a `full` resume. */
  buffer: Record<string, unknown>[];
  pipe: Pipe | null;
  /** Up to where each log was sent. */
  sent: Map<string, number>;
}

/** The server's end of a socket. */
export interface Pipe {
  toClient(frame: unknown): void;
  close(code: number): void;
  session: Session | null;
}

export interface Faults {
  on: boolean;
  full: boolean;
  recoverMax: number;
}

export class Server {
  readonly logs = new Map<string, Event[]>();
  readonly #lanes = new Map<string, number>();
  readonly #keys = new Map<string, { o: number; text: string }>();
  #sessions = new Map<string, Session>();
  #ids = 0;
  /** How often each kind of resume was given. */
  readonly resumed = { full: 0, positions: 0, none: 0 };

  constructor(
    readonly time: Time,
    readonly random: Random,
    readonly faults: Faults,
  ) {}

  chance(probability: number): boolean {
    return this.faults.on && this.random() < probability;
  }

  open(cv: string): void {
    this.logs.set(cv, [{ k: 'conversation.opened', o: 1, ts: this.time.now, d: {} }]);
  }

  /** The process dies: sessions and sockets are gone, logs stay. */
  kill(silently: boolean): void {
    for (const { pipe } of this.#sessions.values()) if (!silently) pipe?.close(1006);
    this.#sessions = new Map();
  }

  moveAll(): void {
    for (const { pipe } of this.#sessions.values()) pipe?.toClient({ t: 'goaway', d: { reason: 'drain', after_ms: 100, deadline_ms: 2_000 } });
  }

  detached(pipe: Pipe): void {
    const { session } = pipe;
    if (session?.pipe === pipe) session.pipe = null;
  }

  take(pipe: Pipe, frame: any): void {
    if (frame.t === 'connect') return this.#connect(pipe, frame.d);
    const { session } = pipe;
    // A frame of a socket whose session is gone, or has moved: nobody is there to take it.
    if (!session || session.pipe !== pipe || !this.#sessions.has(session.id)) return;
    if (frame.t === 'ack' || frame.t === 'pong') session.buffer = session.buffer.filter(({ s }) => (s as number) > (frame.s ?? 0));
    else if (frame.t === 'ping') pipe.toClient({ t: 'pong', n: frame.n });
    else if (frame.t === 'req') this.#request(session, frame);
  }

  #connect(pipe: Pipe, { device, resume }: any): void {
    for (const other of this.#sessions.values()) {
      if (other.person === device && other.pipe) {
        other.pipe.toClient({ t: 'bye', code: 4509, reason: 'replaced' });
        other.pipe.close(4509);
        other.pipe = null;
      }
    }
    const held = resume?.session ? this.#sessions.get(resume.session) : undefined;
    const whole = held && (held.buffer[0]?.s ?? held.s + 1) as number <= resume.s + 1;
    if (this.faults.full && held && whole && held.token === resume.resume_token && !this.chance(0.2)) {
      this.resumed.full += 1;
      held.pipe = pipe;
      pipe.session = held;
      held.token = `t${(this.#ids += 1)}`;
      pipe.toClient(this.#welcome(held, 'full', [], resume.s + 1));
      for (const frame of held.buffer) if ((frame.s as number) > resume.s) pipe.toClient(frame);
      return;
    }
    this.#ids += 1;
    const session: Session = { id: `se_${this.#ids}`, token: `t${this.#ids}`, person: device, s: 0, buffer: [], pipe, sent: new Map() };
    this.#sessions.set(session.id, session);
    pipe.session = session;
    const pos: Record<string, [number, number]> = resume?.pos ?? {};
    const stale: string[] = [];
    for (const [cv, log] of this.logs) {
      const at = Math.min(pos[cv]?.[1] ?? 0, log.length);
      if (log.length - at > this.faults.recoverMax) {
        stale.push(cv);
        session.sent.set(cv, log.length);
      } else session.sent.set(cv, at);
    }
    const kind = resume?.pos ? 'positions' : 'none';
    this.resumed[kind] += 1;
    pipe.toClient(this.#welcome(session, kind, stale, 1));
    this.#ev(session, { k: 'snapshot', d: { conversations: [...this.logs].map(([cv, log]) => ({ cv, ep: 1, o: log.length })) } });
    // The log is read at its own pace: a repeat may be answered before.
    this.time.after(this.chance(0.5) ? this.random() * 200 : 0, () => {
      for (const cv of this.logs.keys()) if (this.#sessions.has(session.id)) this.#follow(session, cv, null);
    });
  }

  #welcome(session: Session, resumed: string, stale: string[], from_s: number): unknown {
    const principal = { role: 'visitor', id: session.person, name: session.person, tenant: 't' };
    const resume_token = this.faults.full ? session.token : undefined;
    return { t: 'welcome', ts: this.time.now, d: { session: session.id, resume_token, resumed, stale, from_s, principal, hb: { interval_ms: 25_000, timeout_ms: 10_000 }, limits: { inflight: 32, rate: { per_s: 50, burst: 50 } } } };
  }

  #ev(session: Session, event: Record<string, unknown>): void {
    session.s += 1;
    const frame = { t: 'ev', s: session.s, ts: this.time.now, ...event };
    session.buffer.push(frame);
    session.pipe?.toClient(frame);
    if (this.chance(0.05)) session.pipe?.toClient(frame);
    if (this.chance(0.01)) session.pipe?.toClient({ t: 'lag', d: { behind: 3, mode: 'catchup' } });
  }

  /** Sends the log as far as it goes; the event at `except` is told by an answer. */
  #follow(session: Session, cv: string, except: number | null): void {
    const log = this.logs.get(cv)!;
    for (let o = (session.sent.get(cv) ?? 0) + 1; o <= log.length; o += 1) {
      session.sent.set(cv, o);
      if (o !== except) this.#ev(session, { cv, ep: 1, o, k: log[o - 1]!.k, d: log[o - 1]!.d });
    }
  }

  #request(session: Session, req: any): void {
    const answer = (body: object) => {
      // Only the session that asked hears the answer, and only while its socket is there.
      if (this.#sessions.has(session.id)) session.pipe?.toClient({ t: 'res', id: req.id, ...body });
    };
    const refuse = (code: string, retry_after_ms?: number) => answer({ err: { code, msg: code, retry: true, ...(retry_after_ms ? { retry_after_ms } : {}) } });
    if (req.m === 'history.page') return answer({ d: this.#page(req.cv, req.d.after) });
    if (this.chance(0.04)) return refuse('rate_limited', 200);
    if (this.chance(0.04)) return refuse('overloaded', 300);
    if (this.chance(0.04)) return refuse('unavailable');
    const pipe = session.pipe;
    const deadline = this.chance(0.03);
    const commit = () => {
      const told = session.pipe === pipe && this.#sessions.has(session.id);
      const result = this.#say(session, req, told && !deadline);
      if (deadline) refuse('deadline');
      else if (told) answer(result);
    };
    // The outcome may come long after the socket went.
    this.time.after(this.random() * (this.chance(0.05) ? 3_000 : 20), commit);
  }

  #say(session: Session, req: any, told: boolean): object {
    const [lane, number] = [req.key.slice(0, req.key.lastIndexOf('.')), Number(req.key.slice(req.key.lastIndexOf('.') + 1))];
    const text = req.d.content.text as string;
    const log = this.logs.get(req.cv)!;
    const known = this.#keys.get(req.key);
    const d = (o: number) => ({ id: `ms_${o}`, cv: req.cv, o, ep: 1, ts: this.time.now });
    if (known) return known.text === text ? { d: { ...d(known.o), dup: true } } : { err: { code: 'conflict', msg: 'another body', retry: false } };
    if (number !== (this.#lanes.get(lane) ?? 0) + 1) return { err: { code: 'conflict', msg: 'a gap', retry: false } };
    const o = log.length + 1;
    this.#lanes.set(lane, number);
    this.#keys.set(req.key, { o, text });
    const author = { kind: 'visitor' as const, id: session.person, name: session.person };
    const message = { id: `ms_${o}`, cv: req.cv, o, ts: this.time.now, key: req.key, author, content: { type: 'text' as const, text }, visibility: 'public' as const };
    log.push({ k: 'message.created', o, ts: this.time.now, d: { message } });
    // An answer that nobody hears is not made up for on the asking session, as on the real node.
    const asking = this.#sessions.get(session.id);
    for (const other of this.#sessions.values()) this.#follow(other, req.cv, other === asking && (told || other.pipe !== null) ? o : null);
    return { d: d(o) };
  }

  #page(cv: string, after: number): Page {
    const log = this.logs.get(cv)!;
    const events = log.slice(after, after + 10);
    const last = events.at(-1)?.o ?? after;
    return {
      messages: events.flatMap(({ d }) => (d.message ? [d.message] : [])),
      events: events.filter(({ d }) => !d.message).map(({ k, o, ts }) => ({ k, o, ts, d: {} })),
      next: last < log.length ? last : null,
      head: log.length,
    };
  }
}

/** A client in the world: the machine with a shell of virtual time. */
export class Person {
  core: Core;
  readonly kept = new Map<string, unknown>();
  /** What this life of the client was told of each log. */
  log: LogEvent[] = [];
  readonly told: Told[] = [];
  settled = 0;
  failed: { code: string }[] = [];
  #life = 0;
  #refs = 0;
  #pages = new Map<number, number>();
  #sockets = new Map<number, { pipe: Pipe; up: number; down: number; dead: boolean }>();

  constructor(
    readonly server: Server,
    readonly name: string,
    readonly remember = false,
  ) {
    this.core = this.#make();
  }

  /** The process ends without a word and starts again with what the store has. */
  restart(): void {
    this.#life += 1;
    for (const { pipe } of this.#sockets.values()) this.server.detached(pipe);
    this.#sockets.clear();
    this.#pages.clear();
    if (!this.remember) this.log = [];
    this.core = this.#make();
    this.input({ in: 'start' });
  }

  ask(ask: Ask): void {
    this.input({ in: 'ask', ref: (this.#refs += 1), ask });
  }

  say(cv: string, text: string): void {
    this.ask({ m: 'message.send', cv, d: { content: { type: 'text', text } }, kind: 'stored' });
  }

  /** The line dies; `silently`: nobody is told. */
  cut(silently: boolean): void {
    for (const [socket, line] of [...this.#sockets]) {
      line.dead = true;
      this.server.detached(line.pipe);
      if (!silently) this.#later(this.#delay(), () => this.input({ in: 'closed', socket, code: 1006, reason: '' }));
    }
  }

  input(input: Input): void {
    for (const effect of this.core.step(this.server.time.now, input)) this.#do(effect);
    const due = this.core.due();
    if (due !== Infinity) this.#later(Math.max(1, due - this.server.time.now), () => (this.core.due() <= this.server.time.now ? this.input({ in: 'tick' }) : undefined));
  }

  #make(): Core {
    const { random } = this.server;
    return new Core({ url: 'ws://a/v1/ws', role: 'visitor', device: this.name, name: 't', version: '1', encoding: json, remember: this.remember, outboxMax: 1_000, random }, structuredClone(this.kept));
  }

  #later(ms: number, run: () => void): void {
    const life = this.#life;
    this.server.time.after(ms, () => {
      if (life === this.#life) run();
    });
  }

  #delay(): number {
    return this.server.random() * (this.server.chance(0.05) ? 1_500 : 40);
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case 'token':
        this.#later(1, () => this.input(this.server.chance(0.05) ? { in: 'no_token', socket: effect.socket, final: false, reason: 'down' } : { in: 'token', socket: effect.socket, token: 'a' }));
        break;
      case 'open':
        this.#connect(effect.socket);
        break;
      case 'send':
        this.#up(effect.socket, effect.frame);
        break;
      case 'close': {
        const line = this.#sockets.get(effect.socket);
        this.#sockets.delete(effect.socket);
        // What was sent before still arrives.
        if (line) this.server.time.after(Math.max(0, line.up - this.server.time.now), () => this.server.detached(line.pipe));
        break;
      }
      case 'write':
        this.#later(this.server.random() * 5, () => {
          for (const { name, value } of effect.changes) {
            if (value === undefined) this.kept.delete(name);
            else this.kept.set(name, structuredClone(value));
          }
          this.input({ in: 'written', write: effect.write });
        });
        break;
      case 'read':
        this.#pages.set((this.#refs += 1), effect.reading);
        this.input({ in: 'ask', ref: this.#refs, ask: { m: 'history.page', cv: effect.cv, d: { after: effect.after, limit: effect.limit }, kind: 'plain' } });
        break;
      case 'settle': {
        const reading = this.#pages.get(effect.ref);
        if (reading !== undefined) this.input({ in: 'page', reading, page: effect.result as Page });
        else this.settled += 1;
        break;
      }
      case 'fail':
        this.failed.push(effect.error);
        break;
      case 'tell':
        this.told.push(effect.told);
        if (effect.told.type === 'event') this.log.push(effect.told.event);
    }
  }

  #connect(socket: number): void {
    if (this.server.chance(0.15)) {
      this.#later(this.#delay(), () => this.input({ in: 'closed', socket, code: 1006, reason: '' }));
      return;
    }
    const { time } = this.server;
    const line = { up: time.now, down: time.now, dead: false, pipe: null as unknown as Pipe };
    // In order on one socket; sockets overtake each other.
    const down = (run: () => void) => {
      line.down = Math.max(line.down, time.now + this.#delay());
      this.#later(line.down - time.now, () => {
        if (!line.dead && this.#sockets.get(socket) === line) run();
      });
    };
    line.pipe = {
      session: null,
      toClient: (frame) => down(() => this.input({ in: 'frame', socket, frame: structuredClone(frame) })),
      close: (code) => down(() => this.input({ in: 'closed', socket, code, reason: '' })),
    };
    this.#sockets.set(socket, line);
    down(() => this.input({ in: 'opened', socket }));
  }

  #up(socket: number, frame: Record<string, unknown>): void {
    const line = this.#sockets.get(socket);
    if (!line) return;
    const { time } = this.server;
    line.up = Math.max(line.up, time.now + this.#delay());
    const copy = structuredClone(frame);
    time.after(line.up - time.now, () => {
      if (!line.dead) this.server.take(line.pipe, copy);
    });
  }
}
