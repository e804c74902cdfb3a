// A token bucket: the client keeps to the server's rate by itself, so that emptying a long outbox is no offence.

export class Bucket {
  #tokens: number;
  #filled: number;

  constructor(
    private readonly perS: number,
    private readonly burst: number,
    now: number,
  ) {
    this.#tokens = burst;
    this.#filled = now;
  }

  take(now: number): boolean {
    this.#tokens = Math.min(this.burst, this.#tokens + (Math.max(0, now - this.#filled) / 1_000) * this.perS);
    this.#filled = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** When the next one may leave. */
  due(): number {
    return this.#tokens >= 1 ? this.#filled : this.#filled + Math.ceil(((1 - this.#tokens) / this.perS) * 1_000);
  }
}
