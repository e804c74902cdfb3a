// Frames carried by requests, for networks that let no WebSocket through: `POST /v1/send` brings them, long polls of `GET /v1/events` fetch
// them. Looks to the machine like a socket. Frames from the server are numbered, so what two answers bring is handed on once.

import type { Heard, Socket } from './transport.js';

/** Frames of one request; the server takes at most 64. */
const FRAMES_MAX = 32;
/** A poll waits 25 s at the server. */
const PATIENCE_MS = 40_000;
/** The line broke: the code that a WebSocket gives in this case. */
const BROKEN = 1006;

interface Page {
  frames: { t: string; code?: number; reason?: string }[];
  line: string | null;
  since: number | null;
}

export function openRequests(ask: typeof fetch, base: string, heard: Heard): Socket {
  const waiting: unknown[] = [];
  const stop = new AbortController();
  let line: string | null = null;
  let since = 0;
  let over = false;
  let sending = false;

  const end = (code: number, reason: string) => {
    if (over) return;
    over = true;
    stop.abort();
    heard.closed(code, reason);
  };

  const fetchPage = async (path: string, init: RequestInit = {}): Promise<Page> => {
    const late = AbortSignal.timeout(PATIENCE_MS);
    const response = await ask(base + path, { ...init, signal: AbortSignal.any([stop.signal, late]) });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return (await response.json()) as Page;
  };

  const take = (page: Page) => {
    const last = page.since ?? since;
    let n = last - page.frames.length;
    for (const frame of page.frames) {
      n += 1;
      if (over) return;
      if (n <= since) continue;
      since = n;
      heard.frame(frame);
      if (frame.t === 'bye') end(frame.code ?? BROKEN, frame.reason ?? '');
    }
  };

  const poll = async () => {
    try {
      while (!over) take(await fetchPage(`/v1/events?line=${line}&since=${since}`));
    } catch (error) {
      end(BROKEN, String(error));
    }
  };

  /** One request after the other: frames arrive in order. */
  const pump = async () => {
    if (sending) return;
    sending = true;
    try {
      while (waiting.length > 0 && !over) {
        const body = JSON.stringify(waiting.splice(0, FRAMES_MAX));
        const which = line === null ? '' : `?line=${line}&since=${since}`;
        const page = await fetchPage(`/v1/send${which}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
        take(page);
        if (line === null) {
          line = page.line;
          void poll();
        }
      }
    } catch (error) {
      end(BROKEN, String(error));
    }
    sending = false;
  };

  queueMicrotask(() => {
    if (!over) heard.opened();
  });
  return {
    send: (frame) => {
      if (over) return;
      waiting.push(frame);
      void pump();
    },
    close: () => {
      if (over) return;
      over = true;
      // A goodbye that may get lost: the server lets the line go when nobody fetches from it.
      const bye = line === null ? null : ask(`${base}/v1/send?line=${line}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '[{"t":"bye"}]', keepalive: true });
      bye?.catch(() => undefined);
      stop.abort();
    },
  };
}
