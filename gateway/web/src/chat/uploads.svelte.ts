// Files that a person is sending: one after the other, each with its progress, until it is in a message or taken back.

import { type Content, contentOf, Problem } from '@conversa/client';
import type { Link } from './link.svelte';

/** Files that wait or failed; more are not taken. The node takes as many uploads of one person. */
const UPLOADS_MAX = 8;

/** Why a file could not be sent: the node's word, `network`, or what it has no word for. */
export interface Trouble {
  code: string;
  detail: string;
}

export class Upload {
  /** Part of the bytes that left, 0 to 1. */
  part = $state(0);
  trouble = $state.raw<Trouble | null>(null);
  readonly stop = new AbortController();

  constructor(
    readonly id: number,
    readonly file: File,
  ) {}
}

export class Uploads {
  list = $state.raw<Upload[]>([]);
  /** More was chosen than is taken at once. */
  tooMany = $state(false);
  #ids = 0;
  #running = false;

  /** `say` sends the message that shows a file; false when too much waits already. */
  constructor(
    private readonly link: Link,
    private readonly say: (content: Content) => boolean,
  ) {}

  add(files: Iterable<File>): void {
    for (const file of files) {
      this.tooMany = this.list.length >= UPLOADS_MAX;
      if (this.tooMany) break;
      this.#ids += 1;
      this.list = [...this.list, new Upload(this.#ids, file)];
    }
    void this.#run();
  }

  cancel(upload: Upload): void {
    upload.stop.abort();
    this.#drop(upload);
  }

  again(upload: Upload): void {
    this.#drop(upload);
    this.add([upload.file]);
  }

  #drop(upload: Upload): void {
    this.list = this.list.filter((other) => other !== upload);
    this.tooMany = false;
  }

  /** In the order in which they were chosen, as the messages will stand. */
  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#next(); next; next = this.#next()) await this.#send(next);
    this.#running = false;
  }

  #next(): Upload | undefined {
    return this.list.find(({ trouble }) => trouble === null);
  }

  async #send(upload: Upload): Promise<void> {
    const { file, stop } = upload;
    try {
      const att = await this.link.attach(file, { signal: stop.signal, progress: (sent, total) => (upload.part = total > 0 ? sent / total : 0) });
      if (stop.signal.aborted) return;
      // The name is all that is known of what it shows.
      if (this.say(contentOf(att, file.name))) this.#drop(upload);
      else upload.trouble = { code: 'full', detail: '' };
    } catch (error) {
      if (stop.signal.aborted) return;
      upload.trouble = error instanceof Problem ? { code: error.code, detail: error.message } : { code: 'network', detail: '' };
    }
  }
}
