// Tokens from the node's development door. In production the company's own server signs them; this door then answers 404.

import { NoToken, type Role } from '@conversa/client';

export interface Token {
  token: string;
  expires_ts: number;
  id: string;
  name: string;
}

/** The node hands out no development tokens. */
export class NoTokens extends NoToken {}

/** A token is asked for again when it has less than this left. */
const MARGIN_MS = 30_000;

export class Tokens {
  #held: Token | null = null;

  constructor(
    private readonly role: Role,
    private readonly id: string | null = null,
    private readonly name: string | null = null,
  ) {}

  /** A token that is still good for a while; `fresh` asks for a new one in any case. */
  async get(fresh = false): Promise<Token> {
    if (!fresh && this.#held && this.#held.expires_ts - Date.now() > MARGIN_MS) return this.#held;
    const ask: Record<string, string> = { role: this.role };
    const id = this.id ?? this.#held?.id;
    if (id) ask.id = id;
    if (this.name) ask.name = this.name;
    const response = await fetch('/v1/dev/tokens', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ask),
    });
    if (response.status === 404) throw new NoTokens('this node hands out no development tokens');
    if (!response.ok) throw new Error(`the node gives no token: ${response.status}`);
    this.#held = (await response.json()) as Token;
    return this.#held;
  }
}

/** The tokens as the client wants them. */
export function bearer(tokens: Tokens): (fresh: boolean) => Promise<string> {
  return async (fresh) => (await tokens.get(fresh)).token;
}

export interface People {
  tenant: string;
  agents: { id: string; name: string }[];
}

/** Who works for the sample company. */
export async function people(): Promise<People> {
  const response = await fetch('/v1/dev/people');
  if (response.status === 404) throw new NoTokens('this node hands out no development tokens');
  if (!response.ok) throw new Error(`the node does not say who works here: ${response.status}`);
  return (await response.json()) as People;
}
