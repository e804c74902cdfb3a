// A person's link to the node for a page: the connection, the outbox and the conversations it has heard of, as reactive state.

import { Connection, type Ending, type LinkState, Refused } from '../client/connection';
import { deviceId } from '../client/keep';
import { Outbox, type Outgoing, type Sent } from '../client/outbox';
import type { Tokens } from '../client/token';
import type { Content, ConversationView, Eph, Ev, Page, Presence, Role, Snapshot, Welcome } from '../client/wire';
import { Conversation } from './conversation.svelte';

const PAGE = 200;
const TYPING_MS = 5_000;

/** What a page wants to know beyond the state. */
export interface Hooks {
  /** The node has told what is open. */
  ready?(views: ConversationView[]): void;
  /** A live or replayed event; `fresh` when it is new to this page. */
  event?(conversation: Conversation, ev: Ev, fresh: boolean): void;
}

export class Link {
  state = $state<LinkState>('connecting');
  ending = $state.raw<Ending | null>(null);
  me = $state.raw<Welcome['principal'] | null>(null);
  presence = $state.raw<Presence | null>(null);
  conversations = $state.raw<Conversation[]>([]);
  waiting = $state.raw<Outgoing[]>([]);
  /** Did the first snapshot come? */
  ready = $state(false);
  /** What was refused last, for the person to read. */
  refusal = $state.raw<{ code: string; msg: string } | null>(null);

  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly #device: string;
  /** Conversations whose log has to be read by pages, until that is done. */
  readonly #unread = new Set<string>();

  constructor(
    role: Role,
    owner: string,
    private readonly tokens: Tokens,
    private readonly hooks: Hooks = {},
  ) {
    this.#device = deviceId(role);
    this.connection = new Connection({
      role,
      device: this.#device,
      token: (fresh) => this.tokens.get(fresh),
      listener: {
        state: (state, ending) => this.#changed(state, ending),
        welcome: (welcome) => this.#welcome(welcome),
        snapshot: (snapshot) => this.#snapshot(snapshot),
        event: (ev) => this.#event(ev),
        ephemeral: (eph) => this.#ephemeral(eph),
      },
    });
    this.outbox = new Outbox(this.connection, this.#device, `${role}.${owner}`, {
      changed: (waiting) => (this.waiting = waiting),
      sent: (outgoing, key, sent) => this.#sent(outgoing, key, sent),
    });
    this.waiting = this.outbox.waiting;
  }

  start(): void {
    this.connection.start();
  }

  stop(): void {
    this.connection.stop();
  }

  /** The node's time now, as far as we know. */
  serverNow(now: number): number {
    return now + this.connection.clockSkewMs;
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
    this.connection.forget(cv);
    this.conversations = this.conversations.filter((conversation) => conversation.cv !== cv);
  }

  send(cv: string | null, content: Content): boolean {
    return this.outbox.add(cv, content);
  }

  /** Asks the node for something; a refusal is shown to the person and gives null, as does a lost connection. */
  async ask<T = Record<string, unknown>>(m: string, request: { cv?: string; d?: unknown } = {}): Promise<T | null> {
    try {
      this.refusal = null;
      return await this.connection.request<T>(m, { ...request, key: `${m}-${crypto.randomUUID().slice(0, 13)}` });
    } catch (error) {
      if (error instanceof Refused) this.refusal = { code: error.err.code, msg: error.err.msg };
      return null;
    }
  }

  /** Reads a conversation's log from where it stands here to its end. */
  async readLog(cv: string): Promise<void> {
    const conversation = this.take(cv);
    // Until the end is reached, a new connection begins again: events that come in between must not hide what is missing.
    this.#unread.add(cv);
    let after = 0;
    for (;;) {
      const page = await this.connection.request<Page>('history.page', { cv, d: { after, limit: PAGE } });
      conversation.applyPage(page);
      this.connection.advance(cv, 1, page.next ?? page.head);
      if (page.next === null || page.next === undefined || page.next <= after) break;
      after = page.next;
    }
    this.#unread.delete(cv);
  }

  #changed(state: LinkState, ending: Ending | null): void {
    this.state = state;
    this.ending = ending;
  }

  #welcome(welcome: Welcome): void {
    this.me = welcome.principal;
    for (const cv of welcome.stale ?? []) this.#unread.add(cv);
  }

  #snapshot(snapshot: Snapshot): void {
    for (const view of snapshot.conversations) {
      // Let go of here, but not by the connection: the node will go on after its position.
      if (this.find(view.cv) === null && this.connection.position(view.cv) > 0) this.#unread.add(view.cv);
      this.take(view.cv).seen(view);
    }
    if (snapshot.presence) this.presence = snapshot.presence;
    for (const cv of this.#unread) this.readLog(cv).catch(() => undefined);
    this.ready = true;
    this.hooks.ready?.(snapshot.conversations);
    this.outbox.drive();
  }

  #event(ev: Ev): void {
    if (!ev.cv) return;
    const unknown = this.find(ev.cv) === null;
    const conversation = this.take(ev.cv);
    const fresh = conversation.apply(ev);
    // The node goes on where it stood with us; what this page has let go of is read again.
    if (unknown && (ev.o ?? 0) > 1) this.readLog(ev.cv).catch(() => undefined);
    this.hooks.event?.(conversation, ev, fresh);
  }

  #ephemeral(eph: Eph): void {
    const conversation = eph.cv ? this.find(eph.cv) : null;
    if (!conversation) return;
    if (eph.k === 'typing') conversation.typingUntil = Date.now() + TYPING_MS;
    if (eph.k === 'queue.position') conversation.position = eph.d?.position ?? null;
  }

  /** Our own message has its place: it is shown there, as others see it. */
  #sent(outgoing: Outgoing, key: string, sent: Sent): void {
    const me = this.me;
    if (!me || sent.forwarded) return;
    const author = { kind: me.role === 'agent' ? ('agent' as const) : ('visitor' as const), id: me.id, name: me.name };
    const message = { id: sent.id, cv: sent.cv, o: sent.o, ts: sent.ts, key, author, content: outgoing.content, visibility: 'public' as const };
    // A repeat of something already in the state must not move the state past events still to come.
    const conversation = this.take(sent.cv);
    conversation.apply({ k: 'message.created', o: sent.o, ts: sent.ts, d: { message } });
  }
}
