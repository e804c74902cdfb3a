// Reads the boards every two seconds while somebody looks.

import { Rest } from '@conversa/client';
import { bearer, NoTokens, Tokens } from '../token';
import type { AgentLine, Keywords, Queue, Scores, Sentiment } from './types';

const EVERY_MS = 2_000;
const TROUBLE_MS = 5_000;
const KEYWORDS = 13;
const KEYWORDS_MAX = 100;

export class Boards {
  readonly rest = new Rest(bearer(new Tokens('supervisor')));
  keywords = $state.raw<Keywords | null>(null);
  sentiment = $state.raw<Sentiment | null>(null);
  scores = $state.raw<Scores | null>(null);
  queues = $state.raw<Queue[]>([]);
  agents = $state.raw<AgentLine[]>([]);
  /** Keywords to be shown. */
  wanted = $state(KEYWORDS);
  order = $state<'worst' | 'newest'>('worst');
  updated = $state<number | null>(null);
  trouble = $state<'down' | 'closed' | null>(null);
  #timer = 0;
  #stopped = false;

  start(): void {
    document.addEventListener('visibilitychange', this.#again);
    void this.#round();
  }

  stop(): void {
    this.#stopped = true;
    window.clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.#again);
  }

  async showMore(): Promise<void> {
    this.wanted = KEYWORDS_MAX;
    await this.#round();
  }

  async setOrder(order: 'worst' | 'newest'): Promise<void> {
    this.order = order;
    await this.#readScores().catch(() => undefined);
  }

  #again = (): void => {
    if (document.visibilityState === 'visible') void this.#round();
  };

  async #round(): Promise<void> {
    window.clearTimeout(this.#timer);
    let wait = EVERY_MS;
    try {
      await this.#readAll();
      this.trouble = null;
      this.updated = Date.now();
    } catch (error) {
      this.trouble = error instanceof NoTokens ? 'closed' : 'down';
      wait = TROUBLE_MS;
    }
    window.clearTimeout(this.#timer);
    if (!this.#stopped && document.visibilityState === 'visible') this.#timer = window.setTimeout(() => void this.#round(), wait);
  }

  async #readAll(): Promise<void> {
    // The first one gets the token that the others use.
    const queues = await this.rest.get<{ items: Queue[] }>('/v1/queues');
    const [agents, keywords, sentiment] = await Promise.all([
      this.rest.get<{ items: AgentLine[] }>('/v1/agents'),
      this.rest.get<Keywords>(`/v1/voc/keywords?limit=${this.wanted}`),
      this.rest.get<Sentiment>('/v1/voc/sentiment'),
      this.#readScores(),
    ]);
    this.queues = queues.items;
    this.agents = agents.items;
    this.keywords = keywords;
    this.sentiment = sentiment;
  }

  async #readScores(): Promise<void> {
    const { order } = this;
    const scores = await this.rest.get<Scores>(`/v1/qa/scores?limit=12&order=${order}`);
    if (order === this.order) this.scores = scores;
  }
}
