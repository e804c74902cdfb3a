// Messages on their way: kept across reloads, sent one after the other in each conversation, repeated with the same key until the
// outcome is known. The key is `<device>.<n>`, n = 1, 2, 3 … without a gap; a number that was refused is used again.

import { backoffMs } from './backoff';
import { Connection, Refused } from './connection';
import { randomId, readJson, writeJson } from './keep';
import type { Content } from './wire';

/** Waiting messages of one person; beyond it nothing more is taken. */
const WAITING_MAX = 200;
const CONFLICTS_MAX = 4;
/** Conversations whose numbers are kept; beyond it the oldest are forgotten, and the node names the number it expects. */
const NUMBERS_MAX = 200;

export interface Outgoing {
  /** Its name on this page. */
  local: string;
  /** Null until the conversation is open. */
  cv: string | null;
  /** Its number, once it was sent for the first time. */
  n: number | null;
  content: Content;
  ts: number;
  state: 'sending' | 'failed';
  error: string | null;
}

export interface Sent {
  id: string;
  cv: string;
  o: number;
  ep: number;
  ts: number;
  dup?: boolean;
  forwarded?: boolean;
}

export interface OutboxListener {
  /** The waiting messages are other ones now. */
  changed(waiting: Outgoing[]): void;
  /** The node has it for ever. */
  sent(outgoing: Outgoing, key: string, sent: Sent): void;
}

export class Outbox {
  #waiting: Outgoing[];
  #numbers: Record<string, number>;
  /** Conversations with a request under way or a pause. */
  #busy = new Set<string>();
  #attempts = new Map<string, number>();
  #conflicts = new Map<string, number>();

  constructor(
    private readonly connection: Connection,
    private readonly device: string,
    private readonly owner: string,
    private readonly listener: OutboxListener,
  ) {
    this.#waiting = readJson<Outgoing[]>(this.#key('waiting'), []);
    this.#numbers = readJson<Record<string, number>>(this.#key('numbers'), {});
  }

  get waiting(): Outgoing[] {
    return this.#waiting;
  }

  /** Takes a message; false when too many wait already. */
  add(cv: string | null, content: Content): boolean {
    if (this.#waiting.length >= WAITING_MAX) return false;
    const outgoing: Outgoing = { local: randomId(), cv, n: null, content, ts: Date.now(), state: 'sending', error: null };
    this.#set([...this.#waiting, outgoing]);
    this.drive();
    return true;
  }

  /** Gives the messages that wait for a conversation theirs. */
  bind(cv: string): void {
    this.#set(this.#waiting.map((outgoing) => (outgoing.cv === null ? { ...outgoing, cv } : outgoing)));
    this.drive();
  }

  retry(local: string): void {
    const outgoing = this.#waiting.find((outgoing) => outgoing.local === local);
    if (!outgoing) return;
    // Later in the order than what was sent since: it is said now.
    const again: Outgoing = { ...outgoing, state: 'sending', error: null, ts: Date.now() };
    this.#conflicts.delete(local);
    this.#set([...this.#waiting.filter((other) => other.local !== local), again]);
    this.drive();
  }

  discard(local: string): void {
    this.#set(this.#waiting.filter((outgoing) => outgoing.local !== local || outgoing.n !== null));
  }

  /** Sends what can be sent; called when the connection is there. */
  drive(): void {
    if (this.connection.state !== 'online') return;
    const seen = new Set<string>();
    for (const outgoing of this.#waiting) {
      const { cv } = outgoing;
      if (cv === null || outgoing.state !== 'sending' || seen.has(cv)) continue;
      seen.add(cv);
      if (!this.#busy.has(cv)) void this.#send(outgoing, cv);
    }
  }

  async #send(outgoing: Outgoing, cv: string): Promise<void> {
    this.#busy.add(cv);
    const n = outgoing.n ?? (this.#numbers[cv] ?? 0) + 1;
    if (outgoing.n === null) {
      // Kept before it is sent: after a reload the same number stands for the same words.
      this.#number(cv, n);
      this.#change(outgoing.local, { n });
    }
    const key = `${this.device}.${n}`;
    let pauseMs = 0;
    try {
      const sent = await this.connection.request<Sent>('message.send', { cv, key, d: { content: outgoing.content } });
      // A repeat is answered at once, perhaps before the events that came in between: those still have to be shown.
      if (!sent.dup && !sent.forwarded) this.connection.advance(cv, sent.ep, sent.o);
      this.#attempts.delete(cv);
      this.#set(this.#waiting.filter((other) => other.local !== outgoing.local));
      this.listener.sent(outgoing, key, sent);
    } catch (error) {
      pauseMs = error instanceof Refused ? this.#refused(outgoing.local, cv, n, error) : this.#again(cv);
    }
    window.setTimeout(() => {
      this.#busy.delete(cv);
      this.drive();
    }, pauseMs);
  }

  #again(cv: string): number {
    const attempt = this.#attempts.get(cv) ?? 0;
    this.#attempts.set(cv, attempt + 1);
    return backoffMs(attempt, Math.random());
  }

  /** What to do about a refusal; gives the pause before the next try in this conversation, ms. */
  #refused(local: string, cv: string, n: number, { err }: Refused): number {
    if (err.retry) return err.retry_after_ms ?? this.#again(cv);
    const conflicts = (this.#conflicts.get(local) ?? 0) + 1;
    this.#conflicts.set(local, conflicts);
    if (err.code === 'conflict' && conflicts <= CONFLICTS_MAX) {
      // Our count is not the node's (another browser state, a cleared store): take the number it names, else the next.
      const expected = /n = (\d+)/.exec(err.msg)?.[1];
      this.#number(cv, expected ? Number(expected) - 1 : n);
      this.#change(local, { n: null });
      return 0;
    }
    this.#number(cv, n - 1);
    this.#change(local, { n: null, state: 'failed', error: err.msg });
    return 0;
  }

  #change(local: string, change: Partial<Outgoing>): void {
    this.#set(this.#waiting.map((outgoing) => (outgoing.local === local ? { ...outgoing, ...change } : outgoing)));
  }

  #number(cv: string, n: number): void {
    const others = Object.entries(this.#numbers).filter(([other]) => other !== cv);
    this.#numbers = Object.fromEntries([...others, [cv, n]].slice(-NUMBERS_MAX));
    writeJson(this.#key('numbers'), this.#numbers);
  }

  #set(waiting: Outgoing[]): void {
    this.#waiting = waiting;
    writeJson(this.#key('waiting'), waiting);
    this.listener.changed(waiting);
  }

  #key(what: string): string {
    return `conversa.outbox.${this.owner}.${what}`;
  }
}
