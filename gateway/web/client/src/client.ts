// The client: the machine of `core/`, moved by a WebSocket (or requests in its place), a timer and a store. It decides nothing.

import { attach, type AttachOptions, fileUrl } from './attach.js';
import { Core } from './core/core.js';
import type { Ask, Effect, Entry, Input, LinkState, Told } from './core/types.js';
import { type Encoding, json } from './encoding.js';
import { ClientError, NoToken, Refused } from './errors.js';
import type { Attachment, Content, Page, Role, Sent } from './frames.js';
import { openRequests } from './requests.js';
import { Problem, Rest } from './rest.js';
import { MemoryStore, type Store } from './store.js';
import { openSocket, type Socket, type WebSocketClass } from './transport.js';
import { random, uuidv7 } from './uuid.js';

export const VERSION = '0.1.0';
const OUTBOX_MAX = 1_000;
/** Near the time of day, but it never goes back. */
const clock = () => Math.round(performance.timeOrigin + performance.now());

export interface Options {
  /** The node: `https://chat.example` or `wss://chat.example/v1/ws`. */
  url: string;
  role: Role;
  /** A token for each connection; `fresh` asks for a new one in any case. Throws `NoToken` when asking again is pointless. */
  token(fresh: boolean): Promise<string> | string;
  /** The stable name of this device, 1 to 48 of `A-Za-z0-9_-`: a second socket with it replaces the first. Default: made for the occasion. */
  device?: string;
  /** Default: in memory. */
  store?: Store;
  /** Keep positions and session in the store too: for owners that keep what they were told. Default: each client begins anew. */
  remember?: boolean;
  /** Default: JSON. */
  encoding?: Encoding;
  /** How this client calls itself, at most 16 letters. */
  name?: string;
  /** Most requests that may wait; beyond it asking fails with `outbox_full`. Default 1,000. */
  outboxMax?: number;
  /** Where what was missed is read: with the socket's `history.page`, which has all events (default), or by REST, which has messages only. */
  pages?: 'socket' | 'rest';
  /** For Node.js before 22: start it with `--experimental-websocket`, or give a class like that of `ws`. */
  WebSocket?: WebSocketClass;
  /** How frames are carried where no WebSocket can be opened. Default: the global `fetch`; null: not at all. */
  fetch?: typeof fetch | null;
}

type ToldOf<T extends Told['type']> = Extract<Told, { type: T }>;
type Listeners = { [T in Told['type']]?: Set<(told: ToldOf<T>) => void> };

export interface RequestOptions {
  cv?: string;
  /** `stored` (default): keyed, kept over restarts; `keyed`: keyed, ends with this client; `plain`: changes nothing. */
  kind?: Ask['kind'];
  /** Give up after this time with `gave_up`; not for what is stored. */
  withinMs?: number;
}

interface Waiter {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** Loads the store and connects; it need not be online yet when this resolves. */
export async function connect(options: Options): Promise<Client> {
  const store = options.store ?? new MemoryStore();
  const client = new Client(options, store, await store.load());
  client.start();
  return client;
}

export class Client {
  readonly device: string;
  /** Server time minus ours at the last welcome, milliseconds. */
  clockSkewMs = 0;
  readonly #core: Core;
  readonly #sockets = new Map<number, Socket>();
  readonly #waiters = new Map<number, Waiter>();
  readonly #listeners: Listeners = {};
  readonly #WebSocket: WebSocketClass;
  readonly #rest: Rest;
  readonly #base: string;
  /** A WebSocket has been opened from here, so it can be. */
  #passes = false;
  /** The last attempt was a WebSocket that did not open: requests are tried next. */
  #blocked = false;
  #refs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  readonly #inputs: Input[] = [];

  /** `kept` is what the store holds. Use `connect`, unless listeners must be there before the first word. */
  constructor(
    private readonly options: Options,
    private readonly store: Store,
    kept: ReadonlyMap<string, unknown> = new Map(),
  ) {
    const found = options.WebSocket ?? globalThis.WebSocket;
    if (!found) throw new Error('this Node.js has no WebSocket: start it with --experimental-websocket, or give one in the options');
    this.#WebSocket = found;
    this.device = options.device ?? `app-${uuidv7(Date.now(), random)}`;
    const { socket, rest } = addresses(options.url);
    this.#base = rest;
    this.#rest = new Rest(async (fresh) => options.token(fresh), rest);
    this.#core = new Core(
      {
        url: socket,
        role: options.role,
        device: this.device,
        name: options.name ?? 'web',
        version: VERSION,
        encoding: options.encoding ?? json,
        remember: options.remember ?? false,
        outboxMax: options.outboxMax ?? OUTBOX_MAX,
        random,
      },
      kept,
    );
  }

  get state(): LinkState {
    return this.#core.state;
  }

  /** What waits and changes something, in order. */
  get waiting(): readonly Entry[] {
    return this.#core.waiting();
  }

  start(): void {
    globalThis.window?.addEventListener('online', this.#hurry);
    globalThis.document?.addEventListener('visibilitychange', this.#hurry);
    this.#input({ in: 'start' });
  }

  /** Acknowledges, closes and ends. What is stored and was not answered is sent by the next client with the same store. */
  async close(): Promise<void> {
    this.#input({ in: 'stop' });
    await this.#writing;
    await this.store.close?.();
  }

  /** Calls `listener` with each of these from now on; gives what ends that. */
  on<T extends Told['type']>(type: T, listener: (told: ToldOf<T>) => void): () => void {
    const listeners = ((this.#listeners[type] as Set<(told: ToldOf<T>) => void> | undefined) ??= new Set() as never);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Asks anything until there is a definite answer. @throws Refused, ClientError */
  request<T = Record<string, unknown>>(m: string, d: Record<string, unknown> = {}, { cv, kind = 'stored', withinMs }: RequestOptions = {}): Promise<T> {
    return this.#ask<T>((ref) => ({ in: 'ask', ref, ask: { m, cv, d, kind, withinMs } }));
  }

  /** Visitor: opens a conversation, or finds the live one. */
  open(d: { channel?: string; lang?: string; name?: string } = {}): Promise<{ cv: string; o: number; phase: string }> {
    return this.request('conversation.open', d, { kind: 'keyed' });
  }

  /** Says something, once; resolves when the server has it for ever. Without a conversation it waits for `bind`. */
  send(cv: string | null, content: Content, more: { reply_to?: string; visibility?: 'internal' } = {}): Promise<Sent> {
    return this.request<Sent>('message.send', { content, ...more }, cv === null ? {} : { cv });
  }

  /** Gives the messages that wait for a conversation theirs. */
  bind(cv: string): void {
    this.#input({ in: 'bind', cv });
  }

  /** Takes back what was never sent; it fails with `discarded`. */
  discard(id: string): void {
    this.#input({ in: 'discard', id });
  }

  /** Uploads a file; what comes back is sent with `contentOf`. @throws Problem, a TypeError when nobody answered for long, or the signal's reason */
  attach(file: Blob & { name?: string }, options: AttachOptions = {}): Promise<Attachment> {
    return attach(this.#rest, file, options);
  }

  /** The bytes of a file; whoever was sent it names the message. @throws as `attach` */
  file(att: Attachment, message?: { id: string; cv: string }, signal?: AbortSignal): Promise<Blob> {
    return this.#rest.blob(fileUrl(att, message), signal);
  }

  edit(cv: string, message: string, content: Content): Promise<{ o: number }> {
    return this.request('message.edit', { id: message, content }, { cv });
  }

  recall(cv: string, message: string): Promise<{ o: number }> {
    return this.request('message.recall', { id: message }, { cv });
  }

  /** Adds a reaction, or with `on` false takes it back. */
  react(cv: string, message: string, emoji: string, on = true): Promise<{ o: number }> {
    return this.request('message.react', { id: message, emoji, on }, { cv });
  }

  /** Everything up to `upto` was read. A newer mark replaces one that has not left yet. */
  read(cv: string, upto: number): Promise<void> {
    return this.request('receipt.read', { upto }, { cv, kind: 'keyed' });
  }

  /** Somebody is typing; may get lost. Call it at most every 2 s. */
  typing(cv: string): void {
    this.#input({ in: 'ephemeral', frame: { t: 'eph', k: 'typing', cv } });
  }

  /** One page of a log, for looking back; it moves no position. */
  history(cv: string, { after = 0, limit = 100 }: { after?: number; limit?: number } = {}): Promise<Page> {
    return this.request<Page>('history.page', { after, limit }, { cv, kind: 'plain' });
  }

  /** Hands on all events of a conversation from its position to its end, as `event`; for conversations that the server does not send. */
  catchUp(cv: string): Promise<void> {
    return this.#ask((ref) => ({ in: 'catch_up', ref, cv }));
  }

  /** Its position is forgotten: if it is heard of again, it is told from its beginning. */
  forget(cv: string): void {
    this.#input({ in: 'forget', cv });
  }

  #hurry = (): void => {
    if (globalThis.document?.visibilityState !== 'hidden') this.#input({ in: 'hurry' });
  };

  #ask<T>(input: (ref: number) => Input): Promise<T> {
    this.#refs += 1;
    const ref = this.#refs;
    return new Promise<T>((resolve, reject) => {
      this.#waiters.set(ref, { resolve: resolve as Waiter['resolve'], reject });
      this.#input(input(ref));
    });
  }

  /** One input after the other, also when a listener asks for something. */
  #input(input: Input): void {
    this.#inputs.push(input);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        for (const effect of this.#core.step(clock(), next)) this.#do(effect);
      }
    } finally {
      this.#busy = false;
    }
    clearTimeout(this.#timer);
    if (this.#core.state === 'ended') this.#ended();
    const due = this.#core.due();
    if (due !== Infinity) this.#timer = setTimeout(() => this.#input({ in: 'tick' }), Math.max(0, due - clock()));
  }

  #ended(): void {
    globalThis.window?.removeEventListener('online', this.#hurry);
    globalThis.document?.removeEventListener('visibilitychange', this.#hurry);
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case 'token':
        void this.#token(effect.socket, effect.fresh);
        break;
      case 'open':
        this.#open(effect.socket, effect.url);
        break;
      case 'send':
        this.#sockets.get(effect.socket)?.send(effect.frame);
        break;
      case 'close':
        this.#sockets.get(effect.socket)?.close(effect.code, effect.reason);
        this.#sockets.delete(effect.socket);
        break;
      case 'write':
        this.#write(effect.write, effect.changes);
        break;
      case 'read':
        void this.#read(effect);
        break;
      case 'settle':
        this.#waiter(effect.ref)?.resolve(effect.result);
        break;
      case 'fail':
        this.#waiter(effect.ref)?.reject(effect.error);
        break;
      case 'tell':
        this.#tell(effect.told);
    }
  }

  #waiter(ref: number): Waiter | undefined {
    const waiter = this.#waiters.get(ref);
    this.#waiters.delete(ref);
    return waiter;
  }

  async #token(socket: number, fresh: boolean): Promise<void> {
    try {
      this.#input({ in: 'token', socket, token: await this.options.token(fresh) });
    } catch (error) {
      this.#input({ in: 'no_token', socket, final: error instanceof NoToken, reason: error instanceof Error ? error.message : String(error) });
    }
  }

  #open(socket: number, url: string): void {
    const heard = {
      opened: () => this.#input({ in: 'opened', socket }),
      frame: (frame: unknown) => this.#input({ in: 'frame', socket, frame }),
      closed: (code: number, reason: string) => this.#input({ in: 'closed', socket, code, reason }),
    };
    const ask = this.options.fetch === undefined ? globalThis.fetch : this.options.fetch;
    if (this.#blocked && !this.#passes && ask) {
      // Once: when this line is lost a WebSocket is tried again.
      this.#blocked = false;
      this.#sockets.set(socket, openRequests((...args) => ask(...args), this.#base, heard));
      return;
    }
    let opened = false;
    const carrier = openSocket(this.#WebSocket, url, this.options.encoding ?? json, {
      ...heard,
      opened: () => {
        opened = this.#passes = true;
        heard.opened();
      },
      closed: (code, reason) => {
        this.#blocked = !opened;
        heard.closed(code, reason);
      },
    });
    this.#sockets.set(socket, carrier);
  }

  #write(write: number, changes: Extract<Effect, { do: 'write' }>['changes']): void {
    const written = this.#writing.then(() => this.store.write(changes));
    this.#writing = written.then(
      () => this.#input({ in: 'written', write }),
      (error: unknown) => this.#input({ in: 'unwritten', write, reason: error instanceof Error ? error.message : String(error) }),
    );
  }

  async #read({ reading, cv, after, limit }: Extract<Effect, { do: 'read' }>): Promise<void> {
    try {
      const page = this.options.pages === 'rest' ? await this.#rest.messages(cv, after, limit) : await this.history(cv, { after, limit });
      this.#input({ in: 'page', reading, page });
    } catch (error) {
      this.#input({ in: 'no_page', reading, err: unread(error) });
    }
  }

  #tell(told: Told): void {
    if (told.type === 'welcome') this.clockSkewMs = told.ts - Date.now();
    for (const listener of this.#listeners[told.type] ?? []) {
      try {
        (listener as (told: Told) => void)(told);
      } catch (error) {
        // A listener's mistake is the page's, not the connection's.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Why a page could not be read; null: nobody answered, try again. */
function unread(error: unknown) {
  if (error instanceof Refused) return error.err;
  if (error instanceof Problem) {
    const passes = error.status === 429 || error.status >= 500;
    return { code: error.code, msg: error.message, retry: passes, ...(error.retryAfterMs === null ? {} : { retry_after_ms: error.retryAfterMs }) };
  }
  return error instanceof ClientError && error.code === 'too_large' ? { code: 'payload_too_large', msg: error.message, retry: false } : null;
}

function addresses(url: string): { socket: string; rest: string } {
  const base = new URL(url, globalThis.location?.href);
  const secure = base.protocol === 'https:' || base.protocol === 'wss:';
  const path = base.pathname.replace(/\/v1\/ws$/, '').replace(/\/$/, '');
  return { socket: `${secure ? 'wss' : 'ws'}://${base.host}${path}/v1/ws`, rest: `${secure ? 'https' : 'http'}://${base.host}${path}` };
}
