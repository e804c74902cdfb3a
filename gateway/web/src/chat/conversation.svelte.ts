// One conversation as a page sees it: its transcript in the order of its log, and its state at the newest event.

import type { ConversationView, Ev, EventData, Goal, Handover, Message, WrapUp } from '@conversa/client';

/** One line of a transcript. */
export type Entry = { o: number; ts: number; message: Message; event: null } | { o: number; ts: number; message: null; event: { k: string; d: EventData } };

const NOBODY = { id: '', name: '' };

function blank(cv: string): ConversationView {
  return {
    cv,
    ep: 1,
    o: 0,
    phase: 'bot',
    controller: null,
    channel: 'web',
    lang: 'zh',
    visitor: NOBODY,
    agent: null,
    queue: null,
    offer: null,
    opened_ts: 0,
    closed_ts: null,
    waiting_since_ts: null,
  };
}

export class Conversation {
  readonly cv: string;
  view = $state.raw<ConversationView>(blank(''));
  entries = $state.raw<Entry[]>([]);
  /** Place in the queue, from 1, when the node tells, and for how long it expects to let wait from there. */
  position = $state<number | null>(null);
  etaMs = $state<number | null>(null);
  /** Until when the other side is typing, our time. */
  typingUntil = $state(0);

  lastTs = $derived(this.entries.at(-1)?.ts ?? this.view.opened_ts);
  /** Since when somebody has to answer: the bot's "one moment please" is no answer to who asked for a person. */
  waitsSince = $derived.by(() => {
    const since = this.view.waiting_since_ts;
    for (const { ts, message, event } of this.entries.toReversed()) {
      if (message?.author.kind === 'agent') return since;
      if (event?.k === 'conversation.queued') return since === null ? ts : Math.min(since, ts);
    }
    return since;
  });
  lastSaid = $derived(this.entries.findLast((entry) => entry.message?.author.kind === 'visitor')?.message ?? null);
  lastMessage = $derived(this.entries.findLast((entry) => entry.message !== null)?.message ?? null);

  constructor(cv: string) {
    this.cv = cv;
    this.view = blank(cv);
  }

  /** Takes in the node's view; the log up to its offset no longer changes the state. */
  seen(view: ConversationView): void {
    if (view.o < this.view.o) return;
    // A closed conversation is nobody's for the node; here it stays in the list of who closed it.
    this.view = { ...view, agent: view.agent ?? (view.phase === 'closed' ? this.view.agent : null) };
  }

  /** Takes in an event; true when its transcript line is new. */
  apply(ev: Pick<Ev, 'k' | 'd' | 'ts'> & { o?: number; ep?: number }): boolean {
    const o = ev.o ?? 0;
    const { message } = ev.d;
    const entry: Entry = message ? { o, ts: message.ts, message, event: null } : { o, ts: ev.ts, message: null, event: { k: ev.k, d: ev.d } };
    const added = this.#insert(entry);
    if (o > this.view.o) this.view = after(this.view, { k: ev.k, o, ts: ev.ts, d: ev.d });
    if (message) this.typingUntil = 0;
    if (ev.k === 'conversation.queued') this.placed(null, null);
    return added;
  }

  placed(position: number | null, etaMs: number | null): void {
    this.position = position;
    this.etaMs = etaMs;
  }

  /** The log has another identity: what we know of it is no longer so. */
  clear(): void {
    this.entries = [];
    this.view = { ...this.view, o: 0 };
  }

  #insert(entry: Entry): boolean {
    this.#moved(entry);
    let at = this.entries.length;
    while (at > 0 && this.entries[at - 1]!.o > entry.o) at -= 1;
    if (at > 0 && this.entries[at - 1]!.o === entry.o) return false;
    this.entries = this.entries.toSpliced(at, 0, entry);
    return true;
  }

  /** A message that came after the close was passed on and has a later place now: it stands only there. */
  #moved({ o, message }: Entry): void {
    if (!message?.key) return;
    const same = (other: Entry) => other.o < o && other.message?.key === message.key && other.message.author.id === message.author.id;
    const at = this.entries.findLastIndex(same);
    if (at >= 0) this.entries = this.entries.toSpliced(at, 1);
  }
}

/** The state after an event. */
export function after(view: ConversationView, { k, o, ts, d }: { k: string; o: number; ts: number; d: EventData }): ConversationView {
  const next: ConversationView = { ...view, o };
  if (d.phase) next.phase = d.phase;
  if (d.controller !== undefined) next.controller = d.controller;
  switch (k) {
    case 'conversation.opened':
      next.visitor = d.visitor ?? view.visitor;
      next.channel = d.channel ?? view.channel;
      next.lang = d.lang ?? view.lang;
      next.opened_ts = ts;
      break;
    case 'message.created':
      next.waiting_since_ts = waiting(view.waiting_since_ts, d.message);
      if (d.message?.author.kind === 'agent' && d.message.visibility !== 'internal') next.goals = (view.goals ?? []).filter((goal) => goal.goal === 'resolution');
      break;
    case 'conversation.queued':
      next.queue = d.queue ?? view.queue;
      next.opens_ts = (d as { opens_ts?: number }).opens_ts ?? null;
      next.agent = null;
      next.offer = null;
      break;
    case 'conversation.offered':
      next.offer = d.offer ? { offer: d.offer, agent: d.agent?.id ?? '', expires_ts: d.expires_ts ?? ts } : null;
      break;
    case 'conversation.assigned':
      next.agent = d.agent ?? null;
      next.offer = null;
      break;
    case 'conversation.closed':
      next.offer = null;
      next.goals = [];
      next.closed_ts = ts;
      next.waiting_since_ts = null;
      break;
    case 'conversation.handover':
      next.handover = handed(view.handover, d);
      break;
    case 'conversation.transferred':
      next.handover = null;
      break;
    case 'conversation.wrapping':
      next.wrap = d as unknown as WrapUp;
      break;
    case 'conversation.wrapped':
      next.wrap = null;
      break;
    case 'sla.set':
      next.goals = (d as unknown as { goals: Goal[] }).goals;
      break;
    case 'sla.warning':
    case 'sla.breached':
      next.goals = (view.goals ?? []).map((goal) => (goal.goal === (d as unknown as Goal).goal ? { ...goal, warned: true, breached: k === 'sla.breached' } : goal));
      break;
    case 'conversation.snoozed':
      next.snoozed = d as unknown as NonNullable<ConversationView['snoozed']>;
      break;
    case 'conversation.unsnoozed':
      next.snoozed = null;
      break;
    case 'conversation.controlled':
      next.goals = [];
      break;
    case 'conversation.reopened':
      next.agent = null;
      next.closed_ts = null;
      break;
  }
  return next;
}

/** What the first word said stands until the last. */
function handed(known: Handover | null | undefined, d: EventData): Handover | null {
  const { kind, state, to, offer, summary, expires_ts } = d as unknown as Omit<Handover, 'state'> & { state: string };
  if (state !== 'asked' && state !== 'offered' && state !== 'joined') return null;
  return { kind, state, to, offer, summary: summary ?? known?.summary ?? '', expires_ts: expires_ts ?? null };
}

function waiting(since: number | null, message: Message | undefined): number | null {
  if (!message || message.visibility === 'internal' || message.author.kind === 'system') return since;
  return message.author.kind === 'visitor' ? (since ?? message.ts) : null;
}
