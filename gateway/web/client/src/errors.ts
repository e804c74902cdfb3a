// What can go wrong for a caller. Everything that passes by itself (a lost socket, `rate_limited`, `deadline`) is repeated by the client
// and reaches nobody; what arrives here is final.

/** The server's error object. */
export interface WireError {
  /** The stable word, for instance `conversation_closed`. */
  code: string;
  /** One sentence for people. */
  msg: string;
  /** True when the same request may succeed later. */
  retry: boolean;
  retry_after_ms?: number;
  field?: string;
  doc?: string;
  tr?: string;
}

/** Why the connection is not coming back: a close code of 4500 and more, or 0 when there is no token to be had. */
export interface Ending {
  code: number;
  reason: string;
}

/** The server understood and said no; repeating does not change that. */
export class Refused extends Error {
  override readonly name = 'Refused';
  constructor(readonly err: WireError) {
    super(`${err.code}: ${err.msg}`);
  }

  get code(): string {
    return this.err.code;
  }
}

/**
 * The client itself could not do it.
 * - `outbox_full`: too much waits already; nothing was taken. Wait for the connection or discard something.
 * - `too_large`: the frame is larger than the server takes; nothing was sent.
 * - `storage`: the store could not keep it, so it was not sent.
 * - `gave_up`: no answer within the caller's own time; the outcome is unknown.
 * - `discarded`: the caller took it back before it was sent.
 * - `ended`: the client has ended; what was stored is sent by the next one with the same store.
 */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  constructor(
    readonly code: 'outbox_full' | 'too_large' | 'storage' | 'gave_up' | 'discarded' | 'ended',
    message: string,
  ) {
    super(message);
  }
}

/** Thrown by a token source when asking again is pointless. */
export class NoToken extends Error {
  override readonly name = 'NoToken';
}

/** From here on a close code means: do not come back. */
export const TERMINAL_FROM = 4500;
export const CLOSE = {
  normal: 1000,
  sessionExpired: 4009,
  heartbeatTimeout: 4010,
  positionLost: 4012,
  rateLimited: 4429,
  authFailed: 4501,
  replaced: 4509,
} as const;
