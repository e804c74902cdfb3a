// One device of a visitor, as a process that may be killed at any moment: says its messages, notes what it is told, ends when it has
// been told everything. What it knows is in two files of its folder, written before anything is done with it.
//
//   node device.js '{"url":…,"token":…,"name":"one","others":["two"],"messages":20,"everyMs":2000,"folder":…,"encoding":"json"}'
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { argv, exit, stdout } from 'node:process';

import { Client } from '../dist/client.js';
import { json } from '../dist/encoding.js';
import { msgpack } from '../dist/msgpack.js';

const { url, token, name, others, messages, everyMs, folder, encoding } = JSON.parse(argv[2]);

/** The whole lines of a file; a line that a kill cut off is taken away. */
function lines(file) {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, 'utf8');
  const whole = text.lastIndexOf('\n') + 1;
  truncateSync(file, Buffer.byteLength(text.slice(0, whole)));
  return text.slice(0, whole).split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

const note = (file, value) => appendFileSync(file, `${JSON.stringify(value)}\n`);
const storeFile = `${folder}/store.jsonl`;
const toldFile = `${folder}/told.jsonl`;

const kept = new Map();
// Every message that was ever given to the outbox, so that none is said twice after a kill.
let said = 0;
for (const changes of lines(storeFile)) {
  for (const { name: key, value } of changes) {
    if (value === undefined) kept.delete(key);
    else kept.set(key, value);
    if (key.startsWith('entry/') && value?.m === 'message.send') said = Math.max(said, Number(value.d.content.text.split(' ')[1]));
  }
}
const store = {
  load: async () => kept,
  write: async (changes) => note(storeFile, changes),
};

const told = lines(toldFile);
let last = told.at(-1)?.o ?? 0;
const texts = new Set(told.flatMap(({ text }) => (text ? [text] : [])));
const wanted = [name, ...others].flatMap((who) => Array.from({ length: messages }, (_, n) => `${who} ${n + 1}`));

/** Counts what this device sends between an open socket and the welcome: one frame is one round trip. */
class Counting extends WebSocket {
  #sent = 0;
  constructor(...args) {
    super(...args);
    const begun = Date.now();
    let opened = 0;
    let welcome = false;
    this.addEventListener('open', () => (opened = Date.now()));
    this.addEventListener('message', ({ data }) => {
      if (welcome) return;
      welcome = true;
      const frame = typeof data === 'string' ? JSON.parse(data) : msgpack.decode(data);
      stdout.write(`${JSON.stringify({ welcome: frame.d?.resumed ?? frame.t, frames: this.#sent, open_ms: opened - begun, welcome_ms: Date.now() - opened })}\n`);
    });
  }
  send(frame) {
    this.#sent += 1;
    super.send(frame);
  }
}

const client = new Client({ url, role: 'visitor', device: `weak-${name}`, name: 'weak', encoding: encoding === 'msgpack' ? msgpack : json, token: () => token, WebSocket: Counting, fetch: null, remember: true }, store, kept);
client.on('event', ({ event: { o, d } }) => {
  if (o <= last) return;
  last = o;
  const { message } = d;
  const text = message?.author.kind === 'visitor' && message.content.type === 'text' ? message.content.text : undefined;
  note(toldFile, text === undefined ? { o } : { o, text });
  if (text) texts.add(text);
});
client.start();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const { cv } = await client.open({ channel: 'web', lang: 'en' });
for (let n = said + 1; n <= messages; n += 1) {
  client.send(cv, { type: 'text', text: `${name} ${n}` }).catch((error) => stdout.write(`${JSON.stringify({ refused: `${name} ${n}: ${error}` })}\n`));
  await pause(everyMs * (0.5 + Math.random()));
}
while (!wanted.every((text) => texts.has(text)) || client.waiting.length > 0) await pause(100);
await client.close();
exit(0);
