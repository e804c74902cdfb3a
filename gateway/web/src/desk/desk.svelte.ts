// What the agent's page knows and does: presence, offers, many conversations in the order in which they must be answered.

import { read, readJson, write, writeJson } from '../keep';
import { bearer, Tokens } from '../token';
import { type ConversationView, type LogEvent, type Presence, type PresenceState, Rest } from '@conversa/client';
import type { Conversation } from '../chat/conversation.svelte';
import { Link } from '../chat/link.svelte';
import { clock } from '../clock.svelte';

/** Conversations whose read marks are kept. */
const MARKS_MAX = 300;
/** Conversations held at once; beyond it those of others are let go. */
const KEPT_MAX = 300;

/** A colleague, as `/v1/agents` has it. */
export interface Colleague {
  id: string;
  name: string;
  state: string;
}

/** A queue, as `/v1/queues` has it. */
export interface QueueLine {
  id: string;
  name: Record<string, string>;
}

/** A customer, as `/v1/customers/{id}` has it. */
export interface Customer {
  id: string;
  identities: { id: string; channels: string[]; attributes: { name: string; value: string; verified: boolean }[] }[];
  merges: { id: string; one: string; other: string; rule: string | null; undone_ts: number | null }[];
}

/** A conversation of a customer's time line. */
export interface Earlier {
  cv: string;
  channel: string;
  opened_ts: number;
  agent: { id: string; name: string } | null;
}

export class Desk {
  readonly link: Link;
  readonly #rest: Rest;
  /** The conversation on the right. */
  chosen = $state<string | null>(null);
  /** Up to which offset each conversation was read. */
  marks = $state.raw<Record<string, number>>({});
  settingPresence = $state(false);
  /** The last thing to be read out at once. */
  announced = $state('');
  /** What the agent wants to be; null until said on this page. */
  #wanted: { state: PresenceState; capacity: number | null } | null = null;
  readonly #marksKey: string;
  readonly #chosenKey: string;

  /** Offers to me that still stand, the one that ends first at the top. */
  offers: Conversation[] = $derived.by(() => {
    const now = this.link.serverNow(clock.now);
    return this.link.conversations
      .filter(({ view }) => (this.offerTo(view)?.expires_ts ?? 0) > now)
      .sort((a, b) => (this.offerTo(a.view)?.expires_ts ?? 0) - (this.offerTo(b.view)?.expires_ts ?? 0));
  });
  /** Mine: whoever waits longest first, then the answered ones, newest first, then the closed ones. */
  mine: Conversation[] = $derived.by(() =>
    this.link.conversations
      .filter(({ view }) => (view.agent?.id === this.agent || this.consulted(view)) && (view.phase === 'assigned' || view.phase === 'closed'))
      .sort(byUrgency),
  );
  open: Conversation[] = $derived(this.mine.filter(({ view }) => view.phase === 'assigned'));
  closed: Conversation[] = $derived(this.mine.filter(({ view }) => view.phase === 'closed'));
  conversation: Conversation | null = $derived.by(() => {
    const all = [...this.offers, ...this.mine];
    return all.find(({ cv }) => cv === this.chosen) ?? null;
  });
  unreadAll: number = $derived.by(() => this.open.reduce((sum, conversation) => sum + this.unread(conversation), 0));

  constructor(
    readonly agent: string,
    private readonly announce: (conversation: Conversation) => string,
  ) {
    this.#marksKey = `conversa.desk.${agent}.read`;
    this.#chosenKey = `conversa.desk.${agent}.chosen`;
    this.marks = readJson<Record<string, number>>(this.#marksKey, {});
    this.chosen = read(this.#chosenKey);
    const tokens = new Tokens('agent', agent);
    this.#rest = new Rest(bearer(tokens));
    this.link = new Link('agent', agent, tokens, {
      ready: (views) => this.#ready(new Set(views.map((view) => view.cv))),
      event: (conversation, ev) => this.#event(conversation, ev),
    });
  }

  start(): void {
    this.link.start();
  }

  stop(): void {
    this.link.stop();
  }

  /** The offer to me that is there, from a queue or from a colleague. */
  offerTo({ phase, offer, handover }: ConversationView): { offer: string; expires_ts: number } | null {
    if (phase === 'offered' && offer?.agent === this.agent) return offer;
    if (handover?.state !== 'offered' || handover.to.id !== this.agent) return null;
    return { offer: handover.offer, expires_ts: handover.expires_ts ?? 0 };
  }

  /** I am in it as a consultant. */
  consulted({ handover }: ConversationView): boolean {
    return handover?.state === 'joined' && handover.to.id === this.agent;
  }

  /** To whom a conversation can be given. */
  async targets(): Promise<[Colleague[], QueueLine[]]> {
    const [agents, queues] = await Promise.all([this.#rest.get<{ items: Colleague[] }>('/v1/agents'), this.#rest.get<{ items: QueueLine[] }>('/v1/queues')]);
    return [agents.items.filter(({ id }) => id !== this.agent), queues.items];
  }

  async transfer({ cv }: Conversation, to: { agent: string } | { queue: string }, summary: string): Promise<void> {
    await this.link.ask('conversation.transfer', { cv, d: { to, summary } });
  }

  async consult({ cv }: Conversation, agent: string, summary: string): Promise<void> {
    await this.link.ask('consult.start', { cv, d: { agent, summary } });
  }

  async complete({ cv }: Conversation): Promise<void> {
    await this.link.ask('consult.complete', { cv, d: {} });
  }

  async withdraw({ cv }: Conversation): Promise<void> {
    await this.link.ask('transfer.withdraw', { cv, d: {} });
  }

  async wrapUp({ cv }: Conversation, disposition: string): Promise<void> {
    await this.link.ask('conversation.wrap', { cv, d: { disposition } });
  }

  async snooze({ cv }: Conversation, ms: number | null): Promise<void> {
    const until_ms = ms === null ? null : Math.round(this.link.serverNow(Date.now()) + ms);
    await this.link.ask('conversation.snooze', { cv, d: { until_ms } });
  }

  async unsnooze({ cv }: Conversation): Promise<void> {
    await this.link.ask('conversation.unsnooze', { cv, d: {} });
  }

  /** Who a visitor is across channels, and the last conversations of all identities. */
  async customer(visitor: string): Promise<[Customer, Earlier[]]> {
    const path = `/v1/customers/cu_${encodeURIComponent(visitor)}`;
    const [customer, page] = await Promise.all([this.#rest.get<Customer>(path), this.#rest.get<{ items: Earlier[] }>(`${path}/timeline?limit=10`)]);
    return [customer, page.items];
  }

  /** `other` is a visitor or a customer. */
  async merge(visitor: string, other: string): Promise<void> {
    const named = other.startsWith('cu_') ? other : `cu_${other}`;
    await this.#rest.post(`/v1/customers/cu_${encodeURIComponent(visitor)}/merge`, { with: named });
  }

  async undo(visitor: string, merge: string): Promise<void> {
    await this.#rest.post(`/v1/customers/cu_${encodeURIComponent(visitor)}/undo`, { merge });
  }

  /** Visitor's messages that were not looked at. */
  unread(conversation: Conversation): number {
    const mark = this.marks[conversation.cv] ?? 0;
    let count = 0;
    for (const { o, message } of conversation.entries.toReversed()) {
      if (o <= mark || message?.author.kind === 'agent') break;
      if (message?.author.kind === 'visitor') count += 1;
    }
    return count;
  }

  choose(cv: string | null): void {
    this.chosen = cv;
    write(this.#chosenKey, cv);
    this.look();
  }

  /** The chosen conversation has been looked at up to its end. */
  look(): void {
    const conversation = this.conversation;
    const last = conversation?.entries.at(-1)?.o ?? 0;
    if (!conversation || document.visibilityState === 'hidden' || (this.marks[conversation.cv] ?? 0) >= last) return;
    const others = Object.entries(this.marks).filter(([cv]) => cv !== conversation.cv);
    this.marks = Object.fromEntries([...others, [conversation.cv, last]].slice(-MARKS_MAX));
    writeJson(this.#marksKey, this.marks);
  }

  /** One up or down in the list. */
  step(by: 1 | -1): void {
    const all = [...this.offers, ...this.mine];
    if (all.length === 0) return;
    const at = all.findIndex(({ cv }) => cv === this.chosen);
    const next = at < 0 ? 0 : (at + by + all.length) % all.length;
    this.choose(all[next]?.cv ?? null);
  }

  /** Without a capacity the node keeps what it has, or takes what the company says. */
  async setPresence(state: PresenceState, capacity: number | null = null): Promise<void> {
    this.settingPresence = true;
    this.#wanted = { state, capacity };
    const presence = await this.link.ask<Presence>('presence.set', { d: capacity === null ? { state } : { state, capacity } });
    if (presence) this.link.presence = presence;
    this.settingPresence = false;
  }

  async accept(conversation: Conversation): Promise<void> {
    const { cv, view } = conversation;
    const offer = this.offerTo(view);
    if (!offer) return;
    this.choose(cv);
    await this.link.ask('offer.accept', { cv, d: { offer: offer.offer } });
  }

  async decline({ cv, view }: Conversation): Promise<void> {
    const offer = this.offerTo(view);
    if (offer) await this.link.ask('offer.decline', { cv, d: { offer: offer.offer } });
  }

  async close({ cv }: Conversation): Promise<void> {
    await this.link.ask('conversation.close', { cv, d: { reason: 'done' } });
  }

  remove(cv: string): void {
    write(`conversa.draft.${this.agent}.${cv}`, null);
    this.link.drop(cv);
  }

  /** What the node does not count as ours any more is ours no more, unless it was closed while we watched. */
  #ready(told: Set<string>): void {
    for (const { cv, view } of this.link.conversations) {
      if (!told.has(cv) && view.phase !== 'closed') this.link.drop(cv);
    }
    const presence = this.link.presence;
    if (this.#wanted?.state === 'online' && presence?.state !== 'online') {
      void this.setPresence(this.#wanted.state, this.#wanted.capacity);
    }
    if (presence) this.#count();
  }

  #event(conversation: Conversation, ev: LogEvent): void {
    const { cv, view } = conversation;
    const live = view.o === ev.o;
    const offers = ev.k === 'conversation.offered' || ev.k === 'conversation.handover';
    if (live && offers && (this.offerTo(view)?.expires_ts ?? 0) > this.link.serverNow(Date.now())) {
      this.announced = this.announce(conversation);
    }
    if (this.link.conversations.length > KEPT_MAX) this.#forgetOthers();
    if (ev.k.startsWith('conversation.')) this.#count();
    if (cv === this.chosen) this.look();
  }

  /** Lets go of conversations that went back to the queue or to somebody else; they are read again if they come back. */
  #forgetOthers(): void {
    for (const { cv, view } of this.link.conversations) {
      const ours = view.agent?.id === this.agent || view.offer?.agent === this.agent || view.handover?.to.id === this.agent;
      if (!ours) this.link.drop(cv);
    }
  }

  /** Places are told with the snapshot only: in between we count. */
  #count(): void {
    const presence = this.link.presence;
    if (!presence) return;
    const places = this.link.conversations.filter(
      ({ view }) => (view.phase === 'assigned' && view.agent?.id === this.agent) || this.offerTo(view) !== null || this.consulted(view),
    ).length;
    if (places !== presence.places) this.link.presence = { ...presence, places };
  }
}

function byUrgency(a: Conversation, b: Conversation): number {
  const rank = ({ view, waitsSince }: Conversation) => (view.phase === 'closed' ? 2 : waitsSince === null ? 1 : 0);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) === 0) return (a.waitsSince ?? 0) - (b.waitsSince ?? 0) || (a.cv < b.cv ? -1 : 1);
  return b.lastTs - a.lastTs || (a.cv < b.cv ? -1 : 1);
}
