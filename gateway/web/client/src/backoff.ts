// Exponential back-off with full jitter: many clients that lost the same node don't come back together. The figures are the protocol's.

export const FIRST_MS = 500;
export const MAX_MS = 30_000;

/** How long to wait before try number `attempt` (0, 1, 2 …), milliseconds; `random` is in [0, 1). */
export function backoffMs(attempt: number, random: number): number {
  return Math.round(random * Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(attempt, 16)));
}
