// Reading and changing over REST, with a token that is renewed when it runs out.

import type { Page } from './frames.js';

/** The server answered with a problem (RFC 9457); `code` is its stable word. */
export class Problem extends Error {
  override readonly name = 'Problem';
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly retryAfterMs: number | null = null,
  ) {
    super(detail);
  }
}

export class Rest {
  /** `token(fresh)` gives a bearer token, a new one when `fresh`. */
  constructor(
    private readonly token: (fresh: boolean) => Promise<string>,
    private readonly base = '',
    private readonly ask: typeof fetch = (...args) => fetch(...args),
    private readonly Uploader: (new () => XMLHttpRequest) | undefined = globalThis.XMLHttpRequest,
  ) {}

  /** @throws Problem, or what `fetch` throws when nobody answers. */
  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.#answer<T>(path, { signal: signal ?? null });
  }

  /** @throws as `get`. */
  async post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
    return this.#answer<T>(path, { method: 'POST', body: JSON.stringify(body), signal: signal ?? null });
  }

  /** Sends bytes; `progress` is called as they leave. @throws as `get`, a TypeError when the line breaks, or the reason of `signal`. */
  async put<T>(path: string, body: Blob, progress?: (sent: number, total: number) => void, signal?: AbortSignal): Promise<T> {
    progress?.(0, body.size);
    const answer = await this.#answer<T>(path, { method: 'PUT', body, signal: signal ?? null }, progress);
    progress?.(body.size, body.size);
    return answer;
  }

  /** A file of a message; `path` is what `fileUrl` gives. @throws as `get`. */
  async blob(path: string, signal?: AbortSignal): Promise<Blob> {
    return (await this.#good(path, { signal: signal ?? null })).blob();
  }

  async #answer<T>(path: string, request: RequestInit, progress?: (sent: number, total: number) => void): Promise<T> {
    return (await (await this.#good(path, request, progress)).json()) as T;
  }

  async #good(path: string, request: RequestInit, progress?: (sent: number, total: number) => void): Promise<Response> {
    let response = await this.#ask(path, false, request, progress);
    if (response.status === 401) response = await this.#ask(path, true, request, progress);
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
    const after = Number(response.headers.get('retry-after') ?? Number.NaN);
    throw new Problem(response.status, problem.code ?? 'internal', problem.detail ?? response.statusText, Number.isFinite(after) ? after * 1_000 : null);
  }

  /** Messages of a conversation after an offset; `next` is null at the end. */
  async messages(cv: string, after: number, limit: number): Promise<Page> {
    const page = await this.get<{ items: Page['messages']; next: number | null; head: number }>(`/v1/conversations/${encodeURIComponent(cv)}/messages?after=${after}&limit=${limit}`);
    return { messages: page.items, events: [], next: page.next ?? null, head: page.head };
  }

  async #ask(path: string, fresh: boolean, request: RequestInit, progress?: (sent: number, total: number) => void): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${await this.token(fresh)}` };
    if (typeof request.body === 'string') headers['content-type'] = 'application/json';
    if (progress && this.Uploader) return watched(new this.Uploader(), this.base + path, request.body as Blob, headers, progress, request.signal);
    return this.ask(this.base + path, { ...request, headers });
  }
}

/** A PUT whose bytes are counted as they leave, which `fetch` cannot do. Fails as `fetch` fails. */
function watched(
  xhr: XMLHttpRequest,
  url: string,
  body: Blob,
  headers: Record<string, string>,
  progress: (sent: number, total: number) => void,
  signal: AbortSignal | null | undefined,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const abort = () => xhr.abort();
    const over = (act: () => void) => {
      signal?.removeEventListener('abort', abort);
      act();
    };
    xhr.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = ({ loaded }) => progress(Math.min(loaded, body.size), body.size);
    xhr.onload = () =>
      over(() => {
        const after = xhr.getResponseHeader('retry-after');
        resolve(new Response(xhr.responseText, { status: xhr.status, statusText: xhr.statusText, headers: after === null ? {} : { 'retry-after': after } }));
      });
    xhr.onerror = () => over(() => reject(new TypeError('the line broke while the file was sent')));
    xhr.onabort = () => over(() => reject(signal?.reason ?? new TypeError('the upload was broken off')));
    signal?.addEventListener('abort', abort, { once: true });
    xhr.send(body);
  });
}
