// What the supervisor's page knows and does: how queues stand, who serves them, what is under way; to watch, help and step in.

import { type Eph, Rest } from '@conversa/client';
import type { Conversation } from '../chat/conversation.svelte';
import { Link } from '../chat/link.svelte';
import { randomId, read, write } from '../keep';
import { bearer, Tokens } from '../token';

const ID = 'conversa.wall.id';
/** How often agents and conversations are read. */
const EVERY_MS = 3_000;
const ALERTS_MAX = 6;

export interface Day {
  served: number;
  abandoned: number;
  transferred: number;
  overflowed: number;
  service_level: number | null;
  wait_ms: number | null;
  handle_ms: number | null;
  csat: number | null;
  rated: number;
}

export interface Tile {
  waiting: number;
  kept: number;
  longest_wait_since_ts: number | null;
  in_progress: number | null;
  today: Day | null;
}

export type QueueTile = Tile & { id: string; name: { zh: string; en: string }; paused: boolean };

export interface Snapshot {
  all: Tile;
  queues: QueueTile[];
  agents: { online: number; away: number; offline: number };
}

export interface AgentLine {
  id: string;
  name: string;
  state: string;
  reason: string | null;
  places: number;
  capacity: number;
  asked: { since_ts: number; reason: string | null } | null;
}

export interface Line {
  cv: string;
  phase: string;
  visitor: { id: string; name: string } | null;
  agent: { id: string; name: string } | null;
  queue: string | null;
}

export interface Alert {
  cv: string;
  alert: string;
}

function identity(): string {
  let id = read(ID);
  if (!id) {
    id = `su_${randomId(12)}`;
    write(ID, id);
  }
  return id;
}

export class Wall {
  readonly link: Link;
  readonly me = identity();
  readonly #rest: Rest;
  now = $state.raw<Snapshot | null>(null);
  agents = $state.raw<AgentLine[]>([]);
  lines = $state.raw<Line[]>([]);
  alerts = $state.raw<Alert[]>([]);
  /** The conversation that is looked into. */
  chosen = $state<string | null>(null);
  spoken = $state(false);
  conversation: Conversation | null = $derived.by(() => this.link.conversations.find(({ cv }) => cv === this.chosen) ?? null);
  mine: boolean = $derived.by(() => this.conversation?.view.phase === 'assigned' && this.conversation.view.agent?.id === this.me);
  #timer = 0;

  constructor() {
    const tokens = new Tokens('supervisor', this.me);
    this.#rest = new Rest(bearer(tokens));
    this.link = new Link('supervisor', this.me, tokens, {
      ready: () => void this.#ready(),
      eph: (eph) => this.#told(eph),
    });
  }

  start(): void {
    this.link.start();
    void this.#round();
  }

  stop(): void {
    window.clearTimeout(this.#timer);
    this.#timer = -1;
    this.link.stop();
  }

  /** Shows a conversation from its beginning; nobody in it is told. */
  async look(cv: string): Promise<void> {
    const before = this.chosen;
    this.chosen = cv;
    this.spoken = false;
    if (before && before !== cv) await this.link.ask('monitor.start', { cv: before, d: { on: false } });
    if (await this.link.ask('monitor.start', { cv })) await this.link.readLog(cv);
  }

  async leave(): Promise<void> {
    const cv = this.chosen;
    this.chosen = null;
    if (cv) await this.link.ask('monitor.start', { cv, d: { on: false } });
  }

  whisper(text: string): boolean {
    const cv = this.chosen;
    if (cv) void this.link.ask('whisper.send', { cv, d: { content: { type: 'text', text } } });
    return cv !== null;
  }

  async speak(on: boolean): Promise<void> {
    if (this.chosen && (await this.link.ask('barge.in', { cv: this.chosen, d: { on } }))) this.spoken = on;
  }

  async takeOver(cv: string): Promise<void> {
    await this.link.ask('takeover', { cv });
    await this.#read();
  }

  async assign(cv: string, agent: string): Promise<void> {
    await this.link.ask('force.assign', { cv, d: { agent } });
    await this.#read();
  }

  async pause(queue: string, paused: boolean): Promise<void> {
    await this.link.ask('queue.pause', { d: { queue, paused } });
  }

  async answer(agent: string, approved: boolean): Promise<void> {
    await this.link.ask('presence.approve', { d: { agent, approved } });
    await this.#read();
  }

  async close(cv: string): Promise<void> {
    await this.link.ask('conversation.close', { cv, d: { reason: 'done' } });
    await this.#read();
  }

  /** A stream that begins anew follows nothing yet. */
  async #ready(): Promise<void> {
    const followed = await this.link.ask<{ snapshot: Snapshot }>('sub', { d: { topic: 'wall:*' } });
    if (followed) this.now = followed.snapshot;
    await this.link.ask('agents.watch', {});
  }

  #told({ k, cv, d }: Eph): void {
    if (k === 'wall.snapshot') this.now = d as unknown as Snapshot;
    if (k === 'desk.alert' && cv) this.alerts = [{ cv, alert: String(d?.alert) }, ...this.alerts.filter((alert) => alert.cv !== cv)].slice(0, ALERTS_MAX);
  }

  async #round(): Promise<void> {
    if (document.visibilityState === 'visible') await this.#read();
    if (this.#timer >= 0) this.#timer = window.setTimeout(() => void this.#round(), EVERY_MS);
  }

  async #read(): Promise<void> {
    try {
      const agents = await this.#rest.get<{ items: AgentLine[] }>('/v1/agents');
      const lines = await this.#rest.get<{ items: Line[] }>('/v1/conversations?limit=100');
      this.agents = agents.items;
      this.lines = lines.items.filter(({ phase }) => phase === 'queued' || phase === 'offered' || phase === 'assigned');
    } catch {
      // What was read last stays; the link says when the node cannot be reached.
    }
  }
}
