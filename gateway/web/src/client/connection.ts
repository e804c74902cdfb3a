// One person's connection: connect, welcome, requests and answers, events in order, acknowledgements, heartbeats, and coming back
// by positions when the socket is lost. It holds no conversation; it never shows the same event twice.

import { backoffMs } from './backoff';
import { NoTokens, type Token } from './token';
import type { Eph, Ev, Frame, Role, Snapshot, Welcome, WireError } from './wire';

const SUBPROTOCOL = 'conversa.v1.json';
const ACK_EVENTS = 32;
const ACK_MS = 5_000;
/** The server gives up on a request after 30 s; a little later nobody will answer any more. */
const REQUEST_MS = 35_000;
const WELCOME_MS = 15_000;
/** A connection that held this long starts the backoff anew. */
const STEADY_MS = 5_000;
/** From here on a close code means: don't come back. */
const TERMINAL_FROM = 4500;
const AUTH_FAILED = 4501;
const RESUME_MAX = 256;

export type LinkState = 'connecting' | 'online' | 'waiting' | 'ended';

/** Why the connection does not come back. */
export interface Ending {
  code: number;
  reason: string;
}

/** A request was refused. */
export class Refused extends Error {
  constructor(readonly err: WireError) {
    super(err.msg);
  }
}

/** The socket went or the time ran out: the outcome is unknown, and the same key may be sent again. */
export class Unknown extends Error {}

export interface Listener {
  state(state: LinkState, ending: Ending | null): void;
  welcome(welcome: Welcome): void;
  snapshot(snapshot: Snapshot): void;
  event(ev: Ev): void;
  ephemeral(eph: Eph): void;
}

export interface Options {
  role: Role;
  device: string;
  token(fresh: boolean): Promise<Token>;
  listener: Listener;
}

export interface Request {
  cv?: string;
  key?: string;
  d?: unknown;
}

interface Pending {
  resolve(d: Record<string, unknown>): void;
  reject(error: Error): void;
  timer: number;
}

export class Connection {
  /** Server time minus ours, milliseconds. */
  clockSkewMs = 0;
  state: LinkState = 'connecting';

  #socket: WebSocket | null = null;
  #pending = new Map<number, Pending>();
  #positions = new Map<string, [number, number]>();
  #requestId = 0;
  #lastS = 0;
  #ackedS = 0;
  #ackedAt = 0;
  #heardAt = 0;
  #attempt = 0;
  #freshToken = false;
  #interval = { ping: 25_000, pong: 10_000 };
  #retryTimer = 0;
  #steadyTimer = 0;
  #welcomeTimer = 0;
  #tickTimer = 0;
  #generation = 0;

  constructor(private readonly options: Options) {}

  start(): void {
    window.addEventListener('online', this.#hurry);
    document.addEventListener('visibilitychange', this.#hurry);
    this.#tickTimer = window.setInterval(() => this.#tick(), 1_000);
    void this.#open();
  }

  stop(): void {
    this.#end(null);
  }

  /** Where a conversation stands here: events up to this offset are known. */
  position(cv: string): number {
    return this.#positions.get(cv)?.[1] ?? 0;
  }

  /** Takes note of a conversation, so that it is resumed; never goes back. */
  advance(cv: string, ep: number, o: number): void {
    const known = this.#positions.get(cv);
    if (!known || known[0] !== ep || known[1] < o) this.#positions.set(cv, [ep, o]);
  }

  forget(cv: string): void {
    this.#positions.delete(cv);
  }

  request<T = Record<string, unknown>>(m: string, { cv, key, d }: Request = {}): Promise<T> {
    if (this.state !== 'online') return Promise.reject(new Unknown('not connected'));
    this.#requestId += 1;
    const id = this.#requestId;
    return new Promise<T>((resolve, reject) => {
      const timer = window.setTimeout(() => {
        this.#pending.delete(id);
        reject(new Unknown('no answer in time'));
      }, REQUEST_MS);
      this.#pending.set(id, { resolve: (d) => resolve(d as T), reject, timer });
      this.#send({ t: 'req', id, m, key, cv, d });
    });
  }

  typing(cv: string): void {
    if (this.state === 'online') this.#send({ t: 'eph', k: 'typing', cv });
  }

  #hurry = (): void => {
    if (this.state !== 'waiting' || document.visibilityState === 'hidden') return;
    window.clearTimeout(this.#retryTimer);
    void this.#open();
  };

  #become(state: LinkState, ending: Ending | null = null): void {
    this.state = state;
    this.options.listener.state(state, ending);
  }

  async #open(): Promise<void> {
    this.#generation += 1;
    const generation = this.#generation;
    this.#become('connecting');
    let token: Token;
    try {
      token = await this.options.token(this.#freshToken);
    } catch (error) {
      if (generation !== this.#generation) return;
      if (error instanceof NoTokens) this.#end({ code: 404, reason: error.message });
      else this.#comeBack();
      return;
    }
    if (generation !== this.#generation) return;
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/v1/ws`, SUBPROTOCOL);
    this.#socket = socket;
    this.#welcomeTimer = window.setTimeout(() => this.#lost(0, ''), WELCOME_MS);
    socket.onopen = () => this.#send(this.#connect(token));
    socket.onmessage = (message) => this.#take(message.data);
    socket.onclose = (close) => this.#lost(close.code, close.reason);
  }

  #connect(token: Token): unknown {
    const pos = Object.fromEntries([...this.#positions].slice(-RESUME_MAX));
    return {
      t: 'connect',
      d: {
        token: token.token,
        role: this.options.role,
        device: this.options.device,
        client: { name: 'web', version: '1' },
        caps: [],
        ...(this.#positions.size > 0 ? { resume: { pos } } : {}),
      },
    };
  }

  #send(frame: unknown): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #take(data: unknown): void {
    this.#heardAt = Date.now();
    let frame: Frame;
    try {
      frame = JSON.parse(String(data)) as Frame;
    } catch {
      this.#lost(0, 'unreadable frame');
      return;
    }
    switch (frame.t) {
      case 'welcome':
        this.#welcomed(frame.ts, frame.d);
        break;
      case 'ev':
        this.#event(frame);
        break;
      case 'res':
        this.#answered(frame.id, frame.d, frame.err);
        break;
      case 'eph':
        this.options.listener.ephemeral(frame);
        break;
      case 'ping':
        this.#send({ t: 'pong', n: frame.n, s: this.#lastS });
        this.#ackedS = this.#lastS;
        break;
      case 'bye':
        this.#lost(frame.code, frame.reason);
        break;
      case 'pong':
        break;
    }
  }

  #welcomed(ts: number, welcome: Welcome): void {
    window.clearTimeout(this.#welcomeTimer);
    this.clockSkewMs = ts - Date.now();
    this.#freshToken = false;
    this.#lastS = 0;
    this.#ackedS = 0;
    if (welcome.hb) this.#interval = { ping: welcome.hb.interval_ms, pong: welcome.hb.timeout_ms };
    this.#steadyTimer = window.setTimeout(() => (this.#attempt = 0), STEADY_MS);
    for (const cv of welcome.stale ?? []) this.#positions.delete(cv);
    this.options.listener.welcome(welcome);
    this.#become('online');
  }

  #event(ev: Ev): void {
    if (ev.s !== this.#lastS + 1) {
      // A hole in the stream: the positions are right, so coming back fills it.
      this.#lost(0, 'events are missing');
      return;
    }
    this.#lastS = ev.s;
    if (ev.k === 'snapshot') {
      this.options.listener.snapshot(ev.d as unknown as Snapshot);
    } else if (ev.cv !== undefined && ev.o !== undefined) {
      const [ep, o] = this.#positions.get(ev.cv) ?? [ev.ep ?? 1, 0];
      if ((ev.ep ?? 1) !== ep || ev.o > o) {
        this.options.listener.event(ev);
        this.#positions.set(ev.cv, [ev.ep ?? 1, ev.o]);
      }
    }
    if (this.#lastS - this.#ackedS >= ACK_EVENTS) this.#acknowledge();
  }

  #acknowledge(): void {
    this.#ackedS = this.#lastS;
    this.#ackedAt = Date.now();
    this.#send({ t: 'ack', s: this.#lastS });
  }

  #answered(id: number, d: Record<string, unknown> | undefined, err: WireError | undefined): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    window.clearTimeout(pending.timer);
    if (err) pending.reject(new Refused(err));
    else pending.resolve(d ?? {});
  }

  #tick(): void {
    if (this.state !== 'online') return;
    const now = Date.now();
    if (this.#lastS > this.#ackedS && now - this.#ackedAt >= ACK_MS) this.#acknowledge();
    const silence = now - this.#heardAt;
    if (silence > this.#interval.ping + this.#interval.pong) this.#lost(0, 'silence');
    else if (silence > this.#interval.ping) this.#send({ t: 'ping', n: this.#lastS });
  }

  /** The socket is gone or given up: every open request has an unknown outcome. */
  #drop(): void {
    window.clearTimeout(this.#welcomeTimer);
    window.clearTimeout(this.#steadyTimer);
    window.clearTimeout(this.#retryTimer);
    this.#generation += 1;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject, timer } of pending) {
      window.clearTimeout(timer);
      reject(new Unknown('the connection was lost'));
    }
  }

  #lost(code: number, reason: string): void {
    if (code === AUTH_FAILED && !this.#freshToken) {
      // The token ran out on the way: one more try with a new one.
      this.#freshToken = true;
      this.#drop();
      this.#comeBack();
    } else if (code >= TERMINAL_FROM) {
      this.#end({ code, reason });
    } else {
      this.#drop();
      this.#comeBack();
    }
  }

  #comeBack(): void {
    const wait = backoffMs(this.#attempt, Math.random());
    this.#attempt += 1;
    this.#become('waiting');
    this.#retryTimer = window.setTimeout(() => void this.#open(), wait);
  }

  #end(ending: Ending | null): void {
    this.#drop();
    window.clearInterval(this.#tickTimer);
    window.removeEventListener('online', this.#hurry);
    document.removeEventListener('visibilitychange', this.#hurry);
    this.#become('ended', ending);
  }
}
