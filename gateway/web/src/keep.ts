// Small things kept in the browser across reloads. Where the browser forbids it they last as long as the page.

const memory = new Map<string, string>();

function area(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

export function read(key: string): string | null {
  try {
    return area()?.getItem(key) ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

export function write(key: string, value: string | null): void {
  if (value === null) memory.delete(key);
  else memory.set(key, value);
  try {
    if (value === null) area()?.removeItem(key);
    else area()?.setItem(key, value);
  } catch {
    // Full or forbidden: memory has it.
  }
}

export function readJson<T>(key: string, otherwise: T): T {
  const text = read(key);
  if (text === null) return otherwise;
  try {
    return JSON.parse(text) as T;
  } catch {
    return otherwise;
  }
}

export function writeJson(key: string, value: unknown): void {
  write(key, JSON.stringify(value));
}

/** `length` letters and digits that nobody guesses. */
export function randomId(length = 16): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => 'abcdefghijklmnopqrstuvwxyz012345'[byte & 31]).join('');
}
