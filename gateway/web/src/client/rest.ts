// Reading over REST with a token that is renewed when it runs out.

import { Tokens } from './token';

/** The node answered with a problem; `code` is its stable word. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

export class Rest {
  constructor(private readonly tokens: Tokens) {}

  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    let response = await this.#ask(path, false, signal);
    if (response.status === 401) response = await this.#ask(path, true, signal);
    if (response.ok) return (await response.json()) as T;
    const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
    throw new Problem(response.status, problem.code ?? 'internal', problem.detail ?? response.statusText);
  }

  async #ask(path: string, fresh: boolean, signal?: AbortSignal): Promise<Response> {
    const { token } = await this.tokens.get(fresh);
    return fetch(path, { headers: { authorization: `Bearer ${token}` }, signal: signal ?? null });
  }
}
