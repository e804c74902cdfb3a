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
  ) {}

  /** @throws Problem, or what `fetch` throws when nobody answers. */
  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.#answer<T>(path, { signal: signal ?? null });
  }

  /** @throws as `get`. */
  async post<T>(path: string, body: unknown): Promise<T> {
    return this.#answer<T>(path, { method: 'POST', body: JSON.stringify(body) });
  }

  async #answer<T>(path: string, request: RequestInit): Promise<T> {
    let response = await this.#ask(path, false, request);
    if (response.status === 401) response = await this.#ask(path, true, request);
    if (response.ok) return (await response.json()) as T;
    const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
    const after = Number(response.headers.get('retry-after') ?? Number.NaN);
    throw new Problem(response.status, problem.code ?? 'internal', problem.detail ?? response.statusText, Number.isFinite(after) ? after * 1_000 : null);
  }

  /** Messages of a conversation after an offset; `next` is null at the end. */
  async messages(cv: string, after: number, limit: number): Promise<Page> {
    const page = await this.get<{ items: Page['messages']; next: number | null; head: number }>(`/v1/conversations/${encodeURIComponent(cv)}/messages?after=${after}&limit=${limit}`);
    return { messages: page.items, events: [], next: page.next ?? null, head: page.head };
  }

  async #ask(path: string, fresh: boolean, request: RequestInit): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${await this.token(fresh)}` };
    if (request.body) headers['content-type'] = 'application/json';
    return this.ask(this.base + path, { ...request, headers });
  }
}
