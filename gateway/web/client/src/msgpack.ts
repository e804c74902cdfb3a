// MessagePack frames: `conversa.v1.msgpack`.

import { decode, encode } from '@msgpack/msgpack';
import type { Encoding } from './encoding.js';

/** Maps are written with sorted keys, as the server does: equal frames are equal bytes. `undefined` is left out, as in JSON. */
const OPTIONS = { sortKeys: true, ignoreUndefined: true, maxDepth: 32 } as const;

export const msgpack: Encoding = {
  subprotocol: 'conversa.v1.msgpack',
  encode: (frame) => encode(frame, OPTIONS),
  decode(data) {
    if (typeof data === 'string') throw new Error('a text frame came on a binary stream');
    return decode(new Uint8Array(data));
  },
  size: (frame) => encode(frame, OPTIONS).length,
};
