// A person's link to the node for a page: the client, what is on its way and the conversations it has heard of, as reactive state.

import { type Attachment, type AttachOptions, Client, ClientError, type Content, type ConversationView, type Ending, type Entry, type Eph, type LinkState, type LogEvent, MemoryStore, type Presence, Refused, type Role, type Snapshot, type Told, type Welcome } from '@conversa/client';
import { takeSlot } from '@conversa/client/indexeddb';
import { randomId, readJson, writeJson } from '../keep';
import { bearer, type Tokens } from '../token';
import { Conversation } from './conversation.svelte';

const TYPING_MS = 5_000;
/** Waiting messages of one person; beyond it nothing more is taken. */
const WAITING_MAX = 200;
/** Refused messages that are kept for the person to decide about. */
const FAILED_MAX = 50;

/** What a page wants to know beyond the state. */
export interface Hooks {
  /** The node has told what is open. */
  ready?(views: ConversationView[]): void;
  /** A live or replayed event; `fresh` when it is new to this page. */
  event?(conversation: Conversation, ev: LogEvent, fresh: boolean): void;
  /** What may get lost. */
  eph?(eph: Eph): void;
}

/** A message that the node has not taken in, yet or at all. */
export interface Outgoing {
  local: string;
  /** Null until the conversation is open. */
  cv: string | null;
  content: Content;
  ts: number;
  state: 'sending' | 'failed';
  error: string | null;
}

export class Link {
  state = $state<LinkState>('connecting');
  ending = $state.raw<Ending | null>(null);
  me = $state.raw<Welcome['principal'] | null>(null);
  presence = $state.raw<Presence | null>(null);
  conversations = $state.raw<Conversation[]>([]);
  /** Did the first snapshot come? */
  ready = $state(false);
  /** What was refused last, for the person to read. */
  refusal = $state.raw<{ code: string; msg: string } | null>(null);
  #sending = $state.raw<Outgoing[]>([]);
  #failed = $state.raw<Outgoing[]>([]);
  waiting: Outgoing[] = $derived([...this.#failed, ...this.#sending]);

  #client: Promise<Client> | null = null;
  #skewMs = 0;
  #failedKey = '';

  constructor(
    private readonly role: Role,
    private readonly owner: string,
    private readonly tokens: Tokens,
    private readonly hooks: Hooks = {},
  ) {}

  start(): void {
    this.#client = this.#begin();
    void this.#client.then((client) => client.start());
  }

  stop(): void {
    void this.#client?.then((client) => client.close());
  }

  /** The node's time now, as far as we know. */
  serverNow(now: number): number {
    return now + this.#skewMs;
  }

  find(cv: string): Conversation | null {
    return this.conversations.find((conversation) => conversation.cv === cv) ?? null;
  }

  /** The conversation, made when it is new here. */
  take(cv: string): Conversation {
    const known = this.find(cv);
    if (known) return known;
    const made = new Conversation(cv);
    this.conversations = [...this.conversations, made];
    return made;
  }

  drop(cv: string): void {
    this.#with((client) => client.forget(cv));
    this.conversations = this.conversations.filter((conversation) => conversation.cv !== cv);
  }

  /** Says something; false when too much waits already. */
  send(cv: string | null, content: Content, visibility: 'public' | 'internal' = 'public'): boolean {
    if (this.#sending.length >= WAITING_MAX) return false;
    // What becomes of it is told by `failed` and the event.
    this.#with((client) => void client.send(cv, content, visibility === 'internal' ? { visibility } : {}).catch(() => undefined));
    return true;
  }

  /** Gives the messages that wait for a conversation theirs. */
  bind(cv: string): void {
    this.#with((client) => client.bind(cv));
  }

  /** Says a refused message again: later in the order than what was sent since. */
  retry(local: string): void {
    const outgoing = this.#failed.find((failed) => failed.local === local);
    if (outgoing && this.send(outgoing.cv, outgoing.content)) this.discard(local);
  }

  discard(local: string): void {
    this.#keepFailed(this.#failed.filter((failed) => failed.local !== local));
    this.#with((client) => client.discard(local));
  }

  typing(cv: string): void {
    this.#with((client) => client.typing(cv));
  }

  /** Uploads a file; see the client. */
  async attach(file: File, options: AttachOptions): Promise<Attachment> {
    return (await this.#ready()).attach(file, options);
  }

  /** The bytes of a file; whoever was sent it names the message. */
  async file(att: Attachment, message?: { id: string; cv: string }, signal?: AbortSignal): Promise<Blob> {
    return (await this.#ready()).file(att, message, signal);
  }

  /** Asks the node for something, when it can be reached; a refusal is shown to the person and gives null. */
  async ask<T = Record<string, unknown>>(m: string, { cv, d }: { cv?: string; d?: Record<string, unknown> } = {}): Promise<T | null> {
    const client = await this.#client;
    if (!client) return null;
    try {
      this.refusal = null;
      // Kept by this page only: a click of yesterday is not carried out today.
      return await client.request<T>(m, d, { kind: 'keyed', ...(cv === undefined ? {} : { cv }) });
    } catch (error) {
      if (error instanceof Refused) this.refusal = { code: error.err.code, msg: error.err.msg };
      return null;
    }
  }

  /** Reads a conversation's log from where it stands here to its end. */
  async readLog(cv: string): Promise<void> {
    this.take(cv);
    await (await this.#client)?.catchUp(cv);
  }

  async #begin(): Promise<Client> {
    const slot = await takeSlot({ owner: `${this.role}.${this.owner}` });
    const device = slot?.device ?? `web-${randomId(12)}`;
    const store = slot?.store ?? new MemoryStore();
    this.#failedKey = `conversa.failed.${device}`;
    this.#failed = readJson<Outgoing[]>(this.#failedKey, []);
    const client = new Client({ url: location.origin, role: this.role, device, store, token: bearer(this.tokens) }, store, await store.load());
    this.#sending = outgoing(client.waiting);
    client.on('state', ({ state, ending }) => {
      this.state = state;
      this.ending = ending;
    });
    client.on('welcome', ({ welcome }) => {
      this.me = welcome.principal;
      this.#skewMs = client.clockSkewMs;
    });
    client.on('snapshot', ({ snapshot }) => this.#snapshot(snapshot));
    client.on('event', ({ event }) => this.#event(event));
    client.on('reread', ({ cv }) => this.find(cv)?.clear());
    client.on('ephemeral', (told) => this.#ephemeral(told));
    client.on('outbox', ({ waiting }) => (this.#sending = outgoing(waiting)));
    client.on('failed', (told) => this.#refused(told));
    return client;
  }

  async #ready(): Promise<Client> {
    const client = await this.#client;
    if (!client) throw new TypeError('the page has not begun');
    return client;
  }

  #with(act: (client: Client) => void): void {
    void this.#client?.then(act);
  }

  #snapshot(snapshot: Snapshot): void {
    for (const view of snapshot.conversations) this.take(view.cv).seen(view);
    if (snapshot.presence) this.presence = snapshot.presence;
    this.ready = true;
    this.hooks.ready?.(snapshot.conversations);
  }

  #event(ev: LogEvent): void {
    const conversation = this.take(ev.cv);
    const fresh = conversation.apply(ev);
    this.hooks.event?.(conversation, ev, fresh);
  }

  #ephemeral({ eph }: Extract<Told, { type: 'ephemeral' }>): void {
    this.hooks.eph?.(eph);
    const conversation = eph.cv ? this.find(eph.cv) : null;
    if (!conversation) return;
    if (eph.k === 'typing') conversation.typingUntil = Date.now() + TYPING_MS;
    if (eph.k === 'queue.position') conversation.placed(eph.d?.position ?? null, eph.d?.eta_ms ?? null);
  }

  #refused({ entry, error }: Extract<Told, { type: 'failed' }>): void {
    if (entry.m !== 'message.send' || (error instanceof ClientError && error.code === 'discarded')) return;
    const msg = error instanceof Refused ? error.err.msg : error.message;
    const failed: Outgoing = { local: entry.id, cv: entry.cv, content: entry.d.content as Content, ts: entry.ts, state: 'failed', error: msg };
    this.#keepFailed([...this.#failed, failed].slice(-FAILED_MAX));
  }

  #keepFailed(failed: Outgoing[]): void {
    this.#failed = failed;
    writeJson(this.#failedKey, failed);
  }
}

function outgoing(waiting: readonly Entry[]): Outgoing[] {
  return waiting
    .filter(({ m }) => m === 'message.send')
    .map(({ id, cv, d, ts }) => ({ local: id, cv, content: d.content as Content, ts, state: 'sending', error: null }));
}
