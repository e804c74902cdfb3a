// How frames are written. Both encodings carry the same data: maps with text keys, integers up to 2^53 - 1, no extension types.
// MessagePack is in `msgpack.ts`, so that a page that speaks JSON does not load it.

export interface Encoding {
  readonly subprotocol: string;
  encode(frame: unknown): string | Uint8Array<ArrayBuffer>;
  /** @throws when the bytes are no frame of this encoding. */
  decode(data: string | ArrayBuffer): unknown;
  /** The size of the encoded frame, bytes. */
  size(frame: unknown): number;
}

const text = new TextEncoder();

export const json: Encoding = {
  subprotocol: 'conversa.v1.json',
  encode: (frame) => JSON.stringify(frame),
  decode(data) {
    if (typeof data !== 'string') throw new Error('a binary frame came on a text stream');
    return JSON.parse(data);
  },
  size: (frame) => text.encode(JSON.stringify(frame)).length,
};
