// The client of the gateway protocol v1. `msgpack` and the browsers' store are in entries of their own: what is not used is not loaded.

export { type AttachOptions, contentOf, fileUrl } from './attach.js';
export { backoffMs } from './backoff.js';
export { Client, connect, VERSION, type Options, type RequestOptions } from './client.js';
export { Core } from './core/core.js';
export type { Ask, Config, Effect, Entry, Input, LinkState, Told } from './core/types.js';
export { type Encoding, json } from './encoding.js';
export { CLOSE, ClientError, type Ending, NoToken, Refused, TERMINAL_FROM, type WireError } from './errors.js';
export type * from './frames.js';
export { Problem, Rest } from './rest.js';
export { MemoryStore, type Change, type Store } from './store.js';
export type { WebSocketClass } from './transport.js';
export { random, uuidv7 } from './uuid.js';
