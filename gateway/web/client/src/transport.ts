// A WebSocket as the machine wants it: opened, frames, closed once. The only file that names the WebSocket.

import type { Encoding } from './encoding.js';

export type WebSocketClass = typeof WebSocket;

export interface Heard {
  opened(): void;
  frame(frame: unknown): void;
  closed(code: number, reason: string): void;
}

export interface Socket {
  send(frame: unknown): void;
  /** Lets go: nothing is heard from it any more. */
  close(code: number, reason: string): void;
}

export function openSocket(WebSocket: WebSocketClass, url: string, encoding: Encoding, heard: Heard): Socket {
  const socket = new WebSocket(url, encoding.subprotocol);
  socket.binaryType = 'arraybuffer';
  let over = false;
  const end = (code: number, reason: string) => {
    if (over) return;
    over = true;
    heard.closed(code, reason);
  };
  socket.onopen = () => {
    if (!over) heard.opened();
  };
  socket.onmessage = ({ data }: MessageEvent) => {
    if (over) return;
    let frame: unknown;
    try {
      frame = encoding.decode(data as string | ArrayBuffer);
    } catch {
      frame = null;
    }
    heard.frame(frame);
  };
  socket.onclose = ({ code, reason }) => end(code, reason);
  // What went wrong is told by the close that follows.
  socket.onerror = () => undefined;
  return {
    send: (frame) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(encoding.encode(frame));
    },
    close: (code, reason) => {
      over = true;
      try {
        socket.close(code, reason);
      } catch {
        // It never opened.
      }
    },
  };
}
