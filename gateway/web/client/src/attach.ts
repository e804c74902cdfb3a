// Files of messages: prepared, sent, completed. Each step is repeated while nobody answers or the server asks for it; what the server
// refuses for good is told at once and says what to do.

import { backoffMs } from './backoff.js';
import type { Attachment, FileContent } from './frames.js';
import { Problem, type Rest } from './rest.js';
import { random } from './uuid.js';

export interface AttachOptions {
  /** As people read it. Default: the file's own. */
  name?: string;
  /** Called as bytes leave; after a line that broke it begins anew. Where only `fetch` is there: at the beginning and the end. */
  progress?(sent: number, total: number): void;
  /** Ends it: `attach` then throws the signal's reason, and the server forgets what came. */
  signal?: AbortSignal;
}

interface Prepared {
  id: string;
  upload_url: string;
}

/** Tries of one step: with the waits between them about a minute. */
const TRIES_MAX = 8;
/** Nobody waits longer than this for a limit to pass: the person is told. */
const WAIT_MAX_MS = 60_000;

type Wait = (ms: number, signal: AbortSignal | undefined) => Promise<void>;

/** @throws Problem, what `fetch` throws when nobody answered for long, or the reason of `signal`. */
export async function attach(rest: Rest, file: Blob & { name?: string }, options: AttachOptions = {}, wait: Wait = pause): Promise<Attachment> {
  const { progress, signal } = options;
  const mime = file.type.split(';')[0]!.trim().toLowerCase() || 'application/octet-stream';
  const ask = { name: options.name ?? (file.name || 'file'), mime, bytes: file.size };
  const { upload_url } = await insist((): Promise<Prepared> => rest.post('/v1/attachments', ask, signal), signal, wait);
  let tries = 0;
  const send = async (): Promise<void> => {
    tries += 1;
    try {
      await rest.put(upload_url, file, progress, signal);
    } catch (error) {
      // An answer was lost: the bytes are there, as `complete` will find.
      if (tries > 1 && error instanceof Problem && error.code === 'conflict') return;
      throw error;
    }
  };
  await insist(send, signal, wait);
  const { att } = await insist((): Promise<{ att: Attachment }> => rest.post(`${upload_url}/complete`, {}, signal), signal, wait);
  return att;
}

/** The content that shows a file. `alt` says in words what is on it. */
export function contentOf(att: Attachment, alt: string): FileContent {
  const kind = att.mime.split('/')[0];
  return { type: kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'file', alt, att };
}

/** Where the file of a message is read: whoever was sent it names the message. */
export function fileUrl(att: Attachment, message?: { id: string; cv: string }): string {
  return message ? `${att.url}?cv=${encodeURIComponent(message.cv)}&ms=${encodeURIComponent(message.id)}` : att.url;
}

async function insist<T>(step: () => Promise<T>, signal: AbortSignal | undefined, wait: Wait): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await step();
    } catch (error) {
      signal?.throwIfAborted();
      const ms = waitMs(error, attempt);
      if (ms === null || attempt + 1 >= TRIES_MAX) throw error;
      await wait(ms, signal);
    }
  }
}

/** How long to wait before the step is tried again; null: it would not help. */
function waitMs(error: unknown, attempt: number): number | null {
  const asked = error instanceof Problem ? error.retryAfterMs : null;
  if (asked !== null && asked > WAIT_MAX_MS) return null;
  const passes = error instanceof Problem ? error.status === 408 || error.status === 429 || error.status >= 500 : error instanceof TypeError;
  return passes ? Math.max(asked ?? 0, backoffMs(attempt, random())) : null;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', ended);
      resolve();
    }
    function ended() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', ended, { once: true });
  });
}
