// One person's connection as a pure state machine: what happened goes in, what to do comes out. It opens sockets, introduces the
// client, comes back and resumes, moves to another node, asks until there is a definite answer, and hands each event on once and in
// order. Time and randomness are arguments; it holds no conversation.

import { backoffMs } from '../backoff.js';
import { CLOSE, ClientError, type Ending, Refused, TERMINAL_FROM, type WireError } from '../errors.js';
import type { Ev, Frame, Goaway, LogEvent, Page, Sent, Welcome } from '../frames.js';
import { uuidv7 } from '../uuid.js';
import { type Lane, Lanes } from './lanes.js';
import { Outbox } from './outbox.js';
import { type Mark, Positions } from './positions.js';
import { Stream } from './stream.js';
import type { Ask, Config, Effect, Entry, Input, LinkState, Told } from './types.js';

/** From asking for a token to the welcome. */
const WELCOME_MS = 15_000;
/** A connection that held this long starts the back-off anew. */
const STEADY_MS = 5_000;
/** How long a server that moves us waits, when it does not say. */
const MOVE_MS = 10_000;
/** How long a `connect` of ours that was given up may still arrive and replace the socket that came after it. */
const STRAY_MS = 30_000;
const PAGE = 200;
const BATCH_MAX = 64;

interface Link {
  socket: number;
  since: number;
  /** Null until the welcome. */
  stream: Stream | null;
}

interface Session {
  session: string;
  resume_token: string;
  s: number;
}

interface Move {
  at: number;
  by: number;
}

export class Core {
  #state: LinkState = 'idle';
  #now = 0;
  #effects: Effect[] = [];
  #live: Link | null = null;
  #opening: Link | null = null;
  #sockets = 0;
  #attempt = 0;
  #retryAt = Infinity;
  #steadyAt = Infinity;
  #fresh = false;
  /** Until then `replaced` may be our own doing, and we come back, once. */
  #strayUntil = 0;
  #session: Session | null;
  #welcome: Welcome | null = null;
  /** Where the server would rather see us; left again when nobody answers there. */
  #preferred: string | null = null;
  #move: Move | null = null;
  #write = 0;
  /** Positions are to be stored with the next write. */
  #ackDue = false;
  #token = '';
  readonly #outbox: Outbox;
  readonly #positions: Positions;
  readonly #catchUps = new Map<string, number[]>();

  constructor(
    private readonly config: Config,
    kept: ReadonlyMap<string, unknown> = new Map(),
  ) {
    const of = <T>(prefix: string) => [...kept].filter(([name]) => name.startsWith(prefix)).map(([name, value]): [string, T] => [name.slice(prefix.length), value as T]);
    const lanes = new Lanes(of<Lane>('lane/'), () => this.#now, config.random);
    this.#outbox = new Outbox(of<Entry>('entry/').map(([, entry]) => entry), lanes, config.random);
    this.#positions = new Positions(config.remember ? of<Mark>('mark/') : []);
    this.#session = config.remember ? ((kept.get('session') as Session | undefined) ?? null) : null;
  }

  get state(): LinkState {
    return this.#state;
  }

  waiting(): Entry[] {
    return this.#outbox.entries();
  }

  position(cv: string): Mark | null {
    return this.#positions.at(cv);
  }

  /** Takes in what happened at `now`; gives what is to be done, in order. */
  step(now: number, input: Input): Effect[] {
    this.#now = now;
    this.#take(input);
    this.#chores();
    this.#keep();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** When to `tick`, if nothing else happens before. */
  due(): number {
    if (this.#state === 'ended' || this.#state === 'idle') return Infinity;
    const live = this.#live !== null && this.#move === null;
    const dues = [this.#retryAt, this.#steadyAt, this.#outbox.due(this.#now, live)];
    if (this.#opening) dues.push(this.#opening.since + WELCOME_MS);
    if (this.#live?.stream) dues.push(this.#live.stream.due());
    if (live) dues.push(this.#positions.due());
    if (this.#move && !this.#opening) dues.push(this.#now < this.#move.at ? this.#move.at : this.#move.by);
    return Math.min(...dues);
  }

  #take(input: Input): void {
    if (this.#state === 'ended') {
      if (input.in === 'ask' || input.in === 'catch_up') this.#fail(input.ref, new ClientError('ended', 'the client has ended'));
      return;
    }
    switch (input.in) {
      case 'start':
        if (this.#state !== 'idle') break;
        this.#strayUntil = this.#now + STRAY_MS;
        this.#open();
        break;
      case 'stop':
        this.#end(null);
        break;
      case 'tick':
        break;
      case 'hurry':
        if (this.#live?.stream) this.#probe(this.#live);
        else if (this.#state === 'waiting') this.#retryAt = this.#now;
        break;
      case 'token':
        if (input.socket === this.#opening?.socket) this.#tokenOf(input.token);
        break;
      case 'no_token':
        if (input.socket !== this.#opening?.socket) break;
        if (input.final) this.#end({ code: 0, reason: input.reason });
        else this.#lost(input.socket, 0, input.reason);
        break;
      case 'opened':
        if (input.socket === this.#opening?.socket) this.#introduce(input.socket);
        break;
      case 'closed':
        this.#lost(input.socket, input.code, input.reason);
        break;
      case 'frame':
        this.#received(input.socket, input.frame);
        break;
      case 'ask':
        this.#ask(input.ref, input.ask);
        break;
      case 'bind':
        this.#outbox.bind(input.cv, this.#write + 1);
        this.#tellOutbox();
        break;
      case 'discard': {
        const waiting = this.#outbox.discard(input.id);
        if (!waiting) break;
        if (waiting.ref !== null) this.#fail(waiting.ref, new ClientError('discarded', 'taken back before it was sent'));
        this.#tellOutbox();
        break;
      }
      case 'ephemeral':
        if (this.#live) this.#send(this.#live.socket, input.frame);
        break;
      case 'catch_up':
        this.#catchUps.set(input.cv, [...(this.#catchUps.get(input.cv) ?? []), input.ref]);
        this.#positions.read(input.cv);
        break;
      case 'forget':
        this.#positions.forget(input.cv);
        this.#level(input.cv);
        break;
      case 'page':
        this.#paged(input.reading, input.page);
        break;
      case 'no_page':
        this.#unpaged(input.reading, input.err);
        break;
      case 'written':
        this.#outbox.written(input.write);
        break;
      case 'unwritten':
        for (const { entry, ref } of this.#outbox.unwritten(input.write)) {
          this.#failed(entry, ref, new ClientError('storage', `it could not be stored and was not sent: ${input.reason}`));
        }
        break;
    }
  }

  /** All that is owed by now. */
  #chores(): void {
    if (this.#state === 'ended' || this.#state === 'idle') return;
    const now = this.#now;
    for (const { entry, ref } of this.#outbox.expired(now)) this.#failed(entry, ref, new ClientError('gave_up', `${entry.m} had no answer in time`));
    if (now >= this.#steadyAt) [this.#attempt, this.#steadyAt] = [0, Infinity];
    if (this.#opening && now >= this.#opening.since + WELCOME_MS) this.#lost(this.#opening.socket, 0, 'no welcome in time');
    if (this.#live?.stream) this.#beat(this.#live, this.#live.stream);
    if (this.#live && this.#outbox.stuck(now)) this.#drop('no answer in time');
    if (this.#move && !this.#opening && this.#live && now >= this.#move.at && (this.#outbox.idle() || now >= this.#move.by)) this.#open();
    if (now >= this.#retryAt) this.#open();
    if (!this.#live || this.#move) return;
    for (const { reading, cv, after } of this.#positions.toAsk(now)) this.#effects.push({ do: 'read', reading, cv, after, limit: PAGE });
    this.#sendWaiting(this.#live);
  }

  #beat(link: Link, stream: Stream): void {
    for (let chore = stream.chore(this.#now); chore !== null; chore = stream.chore(this.#now)) {
      if (chore === 'ack') this.#send(link.socket, { t: 'ack', s: this.#acknowledge(stream) });
      else if (chore === 'ping') this.#send(link.socket, { t: 'ping', n: stream.last });
      else return this.#drop('the server is silent');
    }
  }

  #probe(link: Link): void {
    link.stream?.probe(this.#now);
    this.#send(link.socket, { t: 'ping', n: link.stream?.last ?? 0 });
  }

  /** Positions go to the store when the server is told of them: what was stored before is at worst shown again. */
  #acknowledge(stream: Stream): number {
    const s = stream.acknowledge();
    if (this.#session) this.#session.s = s;
    this.#ackDue = true;
    return s;
  }

  #sendWaiting({ socket }: Link): void {
    const max = this.#welcome?.limits?.frame ?? Infinity;
    for (;;) {
      const waiting = this.#outbox.next(this.#now, this.#write + 1);
      if (!waiting) return;
      const { entry, id } = waiting;
      const frame = { t: 'req', id, m: entry.m, ...(entry.key === null ? {} : { key: entry.key }), ...(entry.cv === null ? {} : { cv: entry.cv }), d: entry.d };
      const bytes = this.config.encoding.size(frame);
      if (bytes <= max) {
        this.#send(socket, frame);
        continue;
      }
      this.#outbox.reject(waiting);
      this.#failed(entry, waiting.ref, new ClientError('too_large', `the request has ${bytes} bytes, the server takes ${max}`));
    }
  }

  /** What changed goes to the store in one write. */
  #keep(): void {
    const changes = this.#outbox.changes();
    if (this.config.remember && (this.#ackDue || this.#state === 'ended')) {
      changes.push(...this.#positions.changes(), this.#session ? { name: 'session', value: { ...this.#session } } : { name: 'session' });
    }
    this.#ackDue = false;
    if (changes.length === 0) return;
    this.#write += 1;
    // First of all: what is sent is stored before.
    this.#effects.unshift({ do: 'write', write: this.#write, changes });
  }

  // Connections.

  #become(state: LinkState, ending: Ending | null = null): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#tell({ type: 'state', state, ending });
  }

  #open(): void {
    this.#retryAt = Infinity;
    this.#sockets += 1;
    this.#opening = { socket: this.#sockets, since: this.#now, stream: null };
    if (!this.#live) this.#become('connecting');
    this.#effects.push({ do: 'token', socket: this.#sockets, fresh: this.#fresh });
  }

  #tokenOf(token: string): void {
    this.#token = token;
    this.#effects.push({ do: 'open', socket: this.#opening!.socket, url: this.#preferred ?? this.config.url });
  }

  #introduce(socket: number): void {
    const pos = this.#positions.resume();
    const session = this.#session;
    // A message in doubt may be in the log without its event being in the stream: its answer was lost. The log replays it.
    const held = session && session.resume_token !== '' && this.#outbox.inDoubt().size === 0 ? { session: session.session, resume_token: session.resume_token, s: this.#seen() } : {};
    const resume = { ...held, ...(Object.keys(pos).length > 0 ? { pos } : {}) };
    const { role, device, name, version } = this.config;
    this.#send(socket, {
      t: 'connect',
      d: { token: this.#token, role, device, client: { name, version }, caps: ['batch'], ...(Object.keys(resume).length > 0 ? { resume } : {}) },
    });
    this.#token = '';
  }

  /** The last event of the session that was handed on. */
  #seen(): number {
    return this.#live?.stream?.last ?? this.#session?.s ?? 0;
  }

  #welcomed(link: Link, ts: number, welcome: Welcome): void {
    const old = this.#live;
    const full = welcome.resumed === 'full';
    const seen = this.#seen();
    if (old) this.#leave(old, CLOSE.normal, 'moved');
    this.#opening = null;
    this.#live = link;
    this.#move = null;
    this.#fresh = false;
    this.#welcome = welcome;
    this.#preferred = this.#safe(welcome.url) ?? null;
    this.#steadyAt = this.#now + STEADY_MS;
    const from = welcome.from_s ?? (full ? seen + 1 : 1);
    if (full && from > seen + 1) {
      // It would begin after what we have: only the positions tell the truth.
      this.#session = null;
      return this.#drop('the session does not go on where it ended');
    }
    link.stream = new Stream(full ? seen : from - 1, welcome.hb, this.#now);
    this.#session = { session: welcome.session, resume_token: welcome.resume_token ?? '', s: link.stream.last };
    this.#ackDue = true;
    this.#outbox.lost();
    this.#outbox.begin(welcome.limits?.inflight, welcome.limits?.rate, this.#now);
    for (const cv of welcome.stale ?? []) this.#positions.read(cv);
    this.#tell({ type: 'welcome', welcome, ts });
    this.#become('online');
  }

  /** Acknowledges and closes a socket that is no longer needed. */
  #leave(link: Link, code: number, reason: string): void {
    if (link.stream?.owes) this.#send(link.socket, { t: 'ack', s: this.#acknowledge(link.stream) });
    this.#effects.push({ do: 'close', socket: link.socket, code, reason });
  }

  /** The live connection is given up: something is missing or the server does not answer. */
  #drop(reason: string): void {
    if (this.#live) this.#lost(this.#live.socket, 0, reason);
  }

  #lost(socket: number, code: number, reason: string): void {
    const isLive = socket === this.#live?.socket;
    if (!isLive && socket !== this.#opening?.socket) return;
    this.#effects.push({ do: 'close', socket, code: CLOSE.normal, reason: '' });
    if (isLive) {
      this.#session = this.#session && { ...this.#session, s: this.#seen() };
      this.#live = null;
      this.#steadyAt = Infinity;
      this.#outbox.lost();
    } else {
      this.#opening = null;
      this.#strayUntil = this.#now + STRAY_MS;
    }
    // While one socket takes over from another, the end of the old one is expected.
    if (isLive && this.#opening) return this.#become('connecting');
    if (code === CLOSE.authFailed && !this.#fresh) this.#fresh = true;
    else if (code === CLOSE.replaced && this.#now < this.#strayUntil) this.#strayUntil = 0;
    else if (code >= TERMINAL_FROM && code < 5_000) return this.#end({ code, reason });
    if (code === CLOSE.sessionExpired || code === CLOSE.positionLost) this.#session = null;
    if (code === CLOSE.rateLimited) this.#attempt = Math.max(this.#attempt, 3);
    const wait = backoffMs(this.#attempt, this.config.random());
    this.#attempt += 1;
    if (this.#attempt > 2) this.#preferred = null;
    if (this.#live) {
      // The new place does not answer, the old one still does: go on there and try again.
      this.#move = { at: this.#now + wait, by: this.#now + wait + MOVE_MS };
      return;
    }
    this.#move = null;
    this.#retryAt = this.#now + wait;
    this.#become('waiting');
  }

  #end(ending: Ending | null): void {
    for (const link of [this.#live, this.#opening]) if (link) this.#leave(link, CLOSE.normal, 'the client ends');
    this.#live = this.#opening = null;
    const ended = new ClientError('ended', ending ? `the server does not want this client: ${ending.code} ${ending.reason}` : 'the client was closed');
    for (const ref of this.#outbox.end()) this.#fail(ref, ended);
    for (const refs of this.#catchUps.values()) for (const ref of refs) this.#fail(ref, ended);
    this.#catchUps.clear();
    this.#become('ended', ending);
  }

  /** A url that the server names is followed when it is no step down in safety. */
  #safe(url: string | undefined): string | undefined {
    if (url === undefined || !/^wss?:\/\//.test(url)) return undefined;
    return this.config.url.startsWith('wss:') && !url.startsWith('wss:') ? undefined : url;
  }

  // Frames.

  /** A frame without what its class must have is no reason to fail: the line is given up, and coming back begins anew. */
  #received(socket: number, frame: unknown): void {
    try {
      this.#frame(socket, frame as Frame, 0);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.#lost(socket, 0, 'unreadable frame');
    }
  }

  #frame(socket: number, frame: Frame, depth: number): void {
    if (typeof frame !== 'object' || frame === null || typeof frame.t !== 'string') return this.#lost(socket, 0, 'unreadable frame');
    if (this.#opening?.socket === socket) {
      if (frame.t === 'welcome') this.#welcomed(this.#opening, frame.ts, frame.d);
      else if (frame.t === 'bye') this.#lost(socket, frame.code, frame.reason);
      return;
    }
    const link = this.#live;
    const stream = link?.stream;
    if (!link || !stream || link.socket !== socket) return;
    stream.heard(this.#now);
    switch (frame.t) {
      case 'ev':
        this.#event(frame, stream);
        break;
      case 'res':
        this.#answered(frame.id, frame.d, frame.err);
        break;
      case 'eph':
        this.#tell({ type: 'ephemeral', eph: frame });
        break;
      case 'ping':
        this.#send(socket, { t: 'pong', ...(frame.n === undefined ? {} : { n: frame.n }), s: this.#acknowledge(stream) });
        break;
      case 'goaway':
        this.#goaway(frame.d);
        break;
      case 'lag':
        this.#tell({ type: 'lag', behind: frame.d?.behind ?? 0 });
        break;
      case 'batch':
        if (!Array.isArray(frame.d) || frame.d.length > BATCH_MAX || depth > 0) return this.#lost(socket, 0, 'a batch that is none');
        for (const one of frame.d) this.#frame(socket, one, depth + 1);
        break;
      case 'bye':
        this.#lost(socket, frame.code, frame.reason);
        break;
      case 'pong':
      case 'welcome':
        break;
    }
  }

  #goaway({ reason, after_ms, deadline_ms, url }: Goaway): void {
    const after = Math.max(0, after_ms ?? 0);
    this.#preferred = this.#safe(url) ?? this.#preferred;
    this.#move = { at: this.#now + after, by: this.#now + Math.max(after, deadline_ms ?? after + MOVE_MS) };
    this.#tell({ type: 'goaway', reason, after_ms: after });
  }

  #event(ev: Ev, stream: Stream): void {
    const counted = stream.count(ev.s, this.#now);
    if (counted === 'repeat') return;
    if (counted === 'gap') {
      // The positions are right: coming back by them fills the hole.
      this.#drop('events are missing');
      this.#session = null;
      return;
    }
    if (ev.k === 'snapshot') return this.#snapshot(ev);
    if (ev.cv === undefined || ev.o === undefined) {
      return this.#tell({ type: 'update', k: ev.k, cv: ev.cv ?? null, ts: ev.ts, d: ev.d ?? {} });
    }
    const { k, cv, o, ts, d } = ev;
    this.#admit({ k, cv, ep: ev.ep ?? 1, o, ts, d: d ?? {} }, false);
  }

  #snapshot(ev: Ev): void {
    const snapshot = ev.d as unknown as { conversations: { cv: string; ep?: number; o: number }[] };
    for (const { cv, ep, o } of snapshot.conversations ?? []) {
      const known = this.#positions.at(cv);
      if (known && ep !== undefined && known.ep !== ep && this.#positions.admit(cv, ep, o) === 'reread') this.#tell({ type: 'reread', cv, ep });
    }
    this.#tell({ type: 'snapshot', snapshot: ev.d as never });
  }

  #admit(event: LogEvent, own: boolean): void {
    const verdict = this.#positions.admit(event.cv, event.ep, event.o);
    if (verdict === 'new') this.#handOn(event, own);
    else if (verdict === 'reread') this.#tell({ type: 'reread', cv: event.cv, ep: event.ep });
  }

  #handOn(event: LogEvent, own: boolean): void {
    if (event.k === 'conversation.closed') this.#positions.closed(event.cv, true);
    if (event.k === 'conversation.reopened') this.#positions.closed(event.cv, false);
    this.#tell({ type: 'event', event, own });
  }

  #answered(id: number, d: Record<string, unknown> | undefined, err: WireError | undefined): void {
    const answer = this.#outbox.answer(id, d, err, this.#now);
    switch (answer.is) {
      case 'nobody':
        break;
      case 'again':
        if (answer.unknown) this.#drop('the outcome of a message is unknown');
        break;
      case 'refused':
        this.#failed(answer.waiting.entry, answer.waiting.ref, new Refused(answer.err));
        break;
      case 'done': {
        const { entry, ref } = answer.waiting;
        if (entry.m === 'message.send') this.#said(entry, answer.d as unknown as Sent);
        if (ref !== null) this.#effects.push({ do: 'settle', ref, result: answer.d });
        if (answer.waiting.kind !== 'plain') this.#tellOutbox();
      }
    }
  }

  /** Our own message has its place: the answer stands for its event, in order with the stream. */
  #said(entry: Entry, sent: Sent): void {
    const me = this.#welcome?.principal;
    const cv = sent.cv ?? entry.cv;
    const ep = sent.ep ?? 1;
    if (me && !sent.forwarded && sent.o > 0) {
      const mark = this.#positions.at(cv);
      const author = { kind: me.role === 'agent' ? ('agent' as const) : ('visitor' as const), id: me.id, name: me.name };
      const { content, visibility, reply_to } = entry.d as { content: never; visibility?: 'internal'; reply_to?: string };
      const message = { id: sent.id, cv, o: sent.o, ts: sent.ts, key: entry.key, author, content, visibility: visibility ?? ('public' as const), ...(reply_to ? { reply_to } : {}) };
      if (!sent.dup) this.#admit({ k: 'message.created', cv, ep, o: sent.o, ts: sent.ts, d: { message } }, true);
      // A repeat may be answered before the events that came in between: pages bring them, and it, in order.
      else if (!mark || (mark.ep === ep && mark.o < sent.o)) this.#positions.read(cv, sent.o);
    }
    this.#tell({ type: 'sent', entry, sent });
  }

  // Pages.

  #paged(reading: number, page: Page): void {
    const cv = this.#positions.ofReading(reading);
    if (cv === null) return;
    const ep = this.#positions.at(cv)?.ep ?? 1;
    const said = page.messages.map((message): LogEvent => ({ k: 'message.created', cv, ep, o: message.o, ts: message.ts, d: { message } }));
    const others = page.events.map((event): LogEvent => ({ k: event.k, cv, ep: event.ep ?? ep, o: event.o, ts: event.ts, d: event.d }));
    for (const event of [...said, ...others].sort((a, b) => a.o - b.o)) {
      if (this.#positions.admitPaged(cv, event.o)) this.#handOn(event, false);
    }
    if (this.#positions.paged(cv, page.next ?? null, page.head, this.#now)) this.#level(cv);
  }

  #unpaged(reading: number, err: WireError | null): void {
    const cv = this.#positions.ofReading(reading);
    if (cv === null) return;
    if (err === null || err.retry) {
      this.#positions.again(cv, this.#now + (err?.retry_after_ms ?? backoffMs(2, this.config.random())));
      return;
    }
    this.#positions.unreadable(cv);
    for (const ref of this.#catchUps.get(cv) ?? []) this.#fail(ref, new Refused(err));
    this.#catchUps.delete(cv);
    this.#tell({ type: 'unreadable', cv, err });
  }

  #level(cv: string): void {
    for (const ref of this.#catchUps.get(cv) ?? []) this.#effects.push({ do: 'settle', ref, result: null });
    this.#catchUps.delete(cv);
  }

  // Requests.

  #ask(ref: number, ask: Ask): void {
    if (ask.m === 'receipt.read' && ask.cv !== undefined) this.#superseded(ask.cv);
    if (this.#outbox.size >= this.config.outboxMax) {
      return this.#fail(ref, new ClientError('outbox_full', `${this.#outbox.size} requests wait already: nothing more is taken until some are answered`));
    }
    this.#outbox.add(ref, ask, uuidv7(this.#now, this.config.random), this.#now, this.#write + 1);
    if (ask.kind !== 'plain') this.#tellOutbox();
  }

  /** A newer mark says what the older one would have said. */
  #superseded(cv: string): void {
    const older = this.#outbox.replace('receipt.read', cv);
    if (older && older.ref !== null) this.#effects.push({ do: 'settle', ref: older.ref, result: {} });
  }

  #failed(entry: Entry, ref: number | null, error: Refused | ClientError): void {
    if (entry.key !== null || entry.m === 'message.send') this.#tell({ type: 'failed', entry, error });
    if (ref !== null) this.#fail(ref, error);
    this.#tellOutbox();
  }

  #tellOutbox(): void {
    this.#tell({ type: 'outbox', waiting: this.#outbox.entries() });
  }

  #fail(ref: number, error: Refused | ClientError): void {
    this.#effects.push({ do: 'fail', ref, error });
  }

  #tell(told: Told): void {
    this.#effects.push({ do: 'tell', told });
  }

  #send(socket: number, frame: Record<string, unknown>): void {
    this.#effects.push({ do: 'send', socket, frame });
  }
}
