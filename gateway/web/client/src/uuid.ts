// UUIDv7 (RFC 9562): 48 bits of time, then randomness; as text it sorts by the time it was made.

/** A UUIDv7 made at `now` (Unix, milliseconds) from `random` in [0, 1). */
export function uuidv7(now: number, random: () => number): string {
  const time = Math.max(0, Math.floor(now)).toString(16).padStart(12, '0').slice(-12);
  const bits = (count: number) => Math.floor(random() * 2 ** count).toString(16);
  const variant = (8 + Math.floor(random() * 4)).toString(16);
  const tail = bits(24).padStart(6, '0') + bits(24).padStart(6, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${bits(12).padStart(3, '0')}-${variant}${bits(12).padStart(3, '0')}-${tail}`;
}

/** Randomness in [0, 1) that nobody guesses. */
export function random(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
}
