// The bookkeeping of one connection: the dense `s`, what is to be acknowledged, and whether the server still lives.

/** Events after which an `ack` is due at once, and the time after which it is due. */
const ACK_EVENTS = 32;
const ACK_MS = 5_000;
/** After a hint that the network changed, silence is suspicious sooner. */
const PROBE_MS = 5_000;

export type Chore = 'ack' | 'ping' | 'give_up';

export class Stream {
  #last: number;
  #acked: number;
  #unackedSince: number | null = null;
  #heard: number;
  #pinged = false;
  #probe: number | null = null;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;

  /** `last` is the `s` before the first one to come. */
  constructor(last: number, hb: { interval_ms: number; timeout_ms: number } | undefined, now: number) {
    this.#last = this.#acked = last;
    this.#heard = now;
    this.#intervalMs = Math.min(Math.max(hb?.interval_ms ?? 25_000, 100), 600_000);
    this.#timeoutMs = Math.min(Math.max(hb?.timeout_ms ?? 10_000, 100), 600_000);
  }

  get last(): number {
    return this.#last;
  }

  heard(now: number): void {
    this.#heard = now;
    this.#pinged = false;
    this.#probe = null;
  }

  /** Counts an event: `next` is to be looked at, `repeat` came before, `gap` says that one is missing. */
  count(s: number, now: number): 'next' | 'repeat' | 'gap' {
    if (s <= this.#last) return 'repeat';
    if (s !== this.#last + 1) return 'gap';
    this.#last = s;
    this.#unackedSince ??= now;
    return 'next';
  }

  /** Everything that has come is acknowledged now, whoever carries it. */
  acknowledge(): number {
    this.#unackedSince = null;
    this.#acked = this.#last;
    return this.#acked;
  }

  get owes(): boolean {
    return this.#last > this.#acked;
  }

  /** What is owed at `now`, one thing at a time; a ping is owed once. */
  chore(now: number): Chore | null {
    if (this.#last - this.#acked >= ACK_EVENTS || (this.#unackedSince !== null && now >= this.#unackedSince + ACK_MS)) return 'ack';
    if (now >= this.#heard + this.#intervalMs + this.#timeoutMs || (this.#probe !== null && now >= this.#probe)) return 'give_up';
    if (!this.#pinged && now >= this.#heard + this.#intervalMs) {
      this.#pinged = true;
      return 'ping';
    }
    return null;
  }

  /** The network may have changed: the server is to be heard soon. */
  probe(now: number): void {
    this.#pinged = true;
    this.#probe ??= now + PROBE_MS;
  }

  due(): number {
    let due = this.#heard + this.#intervalMs + (this.#pinged ? this.#timeoutMs : 0);
    if (this.#unackedSince !== null) due = Math.min(due, this.#unackedSince + ACK_MS);
    if (this.#probe !== null) due = Math.min(due, this.#probe);
    return due;
  }
}
