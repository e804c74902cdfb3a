// A script for the machine: what happens, line by line, and what it does about it. No randomness, no clock, a store that is at once done
// unless the script says otherwise.

import { Core } from '../src/core/core.js';
import type { Ask, Config, Effect, Input, Told } from '../src/core/types.js';
import { json } from '../src/encoding.js';

type Sent = { t: string; [field: string]: any };

export class Script {
  core: Core;
  now = 0;
  effects: Effect[] = [];
  /** The store does its work only when told. */
  slow = false;
  readonly kept = new Map<string, unknown>();
  #socket = 0;
  #refs = 0;
  readonly #config: Config;

  constructor(config: Partial<Config> = {}, kept: ReadonlyMap<string, unknown> = new Map()) {
    this.#config = { url: 'wss://a/v1/ws', role: 'visitor', device: 'd', name: 't', version: '1', encoding: json, remember: false, outboxMax: 3, random: () => 0.5, ...config };
    this.core = new Core(this.#config, kept);
  }

  at(now: number): this {
    this.now = now;
    return this;
  }

  input(input: Input): this {
    for (const effect of this.core.step(this.now, input)) {
      this.effects.push(effect);
      if (effect.do === 'open') this.#socket = effect.socket;
      if (effect.do !== 'write' || this.slow) continue;
      for (const { name, value } of effect.changes) {
        if (value === undefined) this.kept.delete(name);
        else this.kept.set(name, structuredClone(value));
      }
      this.input({ in: 'written', write: effect.write });
    }
    return this;
  }

  /** The time comes at which the machine wants to be called. */
  due(): this {
    return this.at(this.core.due()).input({ in: 'tick' });
  }

  /** The token comes and the socket opens. */
  greet(): this {
    const token = this.effects.findLast((effect) => effect.do === 'token');
    if (token?.do === 'token') this.input({ in: 'token', socket: token.socket, token: 'a.b.c' });
    return this.input({ in: 'opened', socket: this.#socket });
  }

  welcome(d: Record<string, unknown> = {}): this {
    const principal = { role: 'visitor', id: 'vi_1', name: 'A', tenant: 't' };
    return this.frame({ t: 'welcome', ts: 0, d: { session: 'se_1', resumed: 'none', stale: [], from_s: 1, principal, hb: { interval_ms: 25_000, timeout_ms: 10_000 }, ...d } });
  }

  /** From the beginning to the snapshot, which is `s` 1. */
  online(d: Record<string, unknown> = {}): this {
    return this.input({ in: 'start' }).greet().welcome(d).frame({ t: 'ev', s: 1, k: 'snapshot', ts: 0, d: { conversations: [] } });
  }

  frame(frame: unknown, socket = this.#socket): this {
    return this.input({ in: 'frame', socket, frame });
  }

  ev(s: number, o: number, cv = 'cv_a', k = 'message.created', ep = 1): this {
    return this.frame({ t: 'ev', s, k, cv, ep, o, ts: 0, d: {} });
  }

  closed(code: number, socket = this.#socket): this {
    return this.input({ in: 'closed', socket, code, reason: '' });
  }

  get socket(): number {
    return this.#socket;
  }

  ask(ask: Ask): this {
    return this.input({ in: 'ask', ref: (this.#refs += 1), ask });
  }

  say(text: string, cv = 'cv_a'): this {
    return this.ask({ m: 'message.send', cv, d: { content: { type: 'text', text } }, kind: 'stored' });
  }

  /** Answers the last request that was sent. */
  answer(body: Record<string, unknown>): this {
    return this.frame({ t: 'res', id: this.sent('req').at(-1)!.id, ...body });
  }

  sent(t: string): Sent[] {
    return this.effects.flatMap((effect) => (effect.do === 'send' && effect.frame.t === t ? [effect.frame as Sent] : []));
  }

  told<T extends Told['type']>(type: T): Extract<Told, { type: T }>[] {
    return this.effects.flatMap((effect) => (effect.do === 'tell' && effect.told.type === type ? [effect.told as Extract<Told, { type: T }>] : []));
  }

  offsets(cv = 'cv_a'): number[] {
    return this.told('event').flatMap(({ event }) => (event.cv === cv ? [event.o] : []));
  }

  failures(): string[] {
    return this.effects.flatMap((effect) => (effect.do === 'fail' ? [effect.error.code] : []));
  }

  reads(): [string, number][] {
    return this.effects.flatMap((effect) => (effect.do === 'read' ? [[effect.cv, effect.after]] : []));
  }

  /** Answers the last reading. */
  page(offsets: number[], next: number | null, head: number): this {
    const read = this.effects.findLast((effect) => effect.do === 'read');
    if (read?.do !== 'read') throw new Error('nothing is being read');
    const messages = offsets.map((o) => ({ id: `ms_${o}`, cv: read.cv, o, ts: 0, key: null, author: { kind: 'visitor' as const, id: 'v', name: '' }, content: { type: 'text' as const, text: '' }, visibility: 'public' as const }));
    return this.input({ in: 'page', reading: read.reading, page: { messages, events: [], next, head } });
  }
}
