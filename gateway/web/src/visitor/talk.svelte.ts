// What the visitor's page knows and does: one conversation at a time, opened when there is something to say.

import { randomId, read, write } from '../keep';
import { Tokens } from '../token';
import type { Content, ConversationView } from '@conversa/client';
import { Link } from '../chat/link.svelte';
import type { Conversation } from '../chat/conversation.svelte';
import { lang } from '../lang.svelte';

const ID = 'conversa.visitor.id';
const NAME = 'conversa.visitor.name';
const LAST = 'conversa.visitor.cv';

function identity(): { id: string; name: string } {
  let id = read(ID);
  let name = read(NAME);
  if (!id || !name) {
    id = `vi_${randomId(16)}`;
    name = `${lang.t.author.visitor} ${id.slice(3, 7).toUpperCase()}`;
    write(ID, id);
    write(NAME, name);
  }
  return { id, name };
}

export class Talk {
  readonly link: Link;
  /** The conversation that is spoken in. */
  cv = $state<string | null>(read(LAST));
  opening = $state(false);
  asking = $state(false);

  conversation: Conversation | null = $derived.by(() => this.link.conversations.find((conversation) => conversation.cv === this.cv) ?? null);
  /** Conversations of this page in order, the present one last. */
  shown: Conversation[] = $derived.by(() => {
    const all = this.link.conversations.filter((conversation) => conversation.entries.length > 0);
    return all.sort((a, b) => Number(a.cv === this.cv) - Number(b.cv === this.cv) || a.view.opened_ts - b.view.opened_ts);
  });

  constructor() {
    const { id, name } = identity();
    this.link = new Link('visitor', id, new Tokens('visitor', id, name), {
      ready: (views) => void this.#ready(views),
      event: (conversation, ev) => {
        if (ev.k === 'conversation.opened' || ev.k === 'conversation.reopened') this.#follow(conversation);
      },
    });
  }

  start(): void {
    this.link.start();
  }

  say(content: Content): boolean {
    const taken = this.link.send(this.#live(), content);
    if (taken) void this.#open();
    return taken;
  }

  /** Answers a question of the conversation, also one that came with its end. */
  choose(value: string): boolean {
    const content: Content = { type: 'text', text: value };
    return this.conversation?.view.phase === 'closed' ? this.link.send(this.conversation.cv, content) : this.say(content);
  }

  async askHuman(): Promise<void> {
    this.asking = true;
    const cv = await this.#open();
    if (cv) await this.link.ask('human.request', { cv });
    this.asking = false;
  }

  async close(): Promise<void> {
    const cv = this.#live();
    if (cv) await this.link.ask('conversation.close', { cv });
  }

  /** Back to the assistant, or to an end where there is none. */
  async leave(): Promise<void> {
    const cv = this.#live();
    if (cv) await this.link.ask('queue.leave', { cv });
  }

  async again(): Promise<void> {
    await this.#open();
  }

  /** The present conversation, unless it is closed. */
  #live(): string | null {
    return this.conversation && this.conversation.view.phase !== 'closed' ? this.conversation.cv : null;
  }

  async #ready(views: ConversationView[]): Promise<void> {
    const live = views.find((view) => view.phase !== 'closed');
    if (live) this.#become(live.cv);
    else if (this.cv && !views.some((view) => view.cv === this.cv)) await this.#reread(this.cv);
    if (this.link.waiting.some((outgoing) => outgoing.cv === null)) await this.#open();
  }

  /** A closed conversation is not sent any more, but this browser has shown it before. */
  async #reread(cv: string): Promise<void> {
    try {
      await this.link.readLog(cv);
    } catch {
      this.link.drop(cv);
      if (this.cv === cv) this.#become(null);
    }
  }

  async #open(): Promise<string | null> {
    const live = this.#live();
    if (live) {
      this.link.bind(live);
      return live;
    }
    if (this.opening) return null;
    this.opening = true;
    const opened = await this.link.ask<{ cv: string }>('conversation.open', { d: { channel: 'web', lang: lang.code, name: this.link.me?.name } });
    this.opening = false;
    if (!opened) return null;
    this.link.take(opened.cv);
    this.#become(opened.cv);
    this.link.bind(opened.cv);
    return opened.cv;
  }

  #follow(conversation: Conversation): void {
    const before = this.conversation;
    if (!before || before === conversation || before.view.phase === 'closed' || conversation.view.opened_ts >= before.view.opened_ts) this.#become(conversation.cv);
  }

  #become(cv: string | null): void {
    this.cv = cv;
    write(LAST, cv);
  }
}
