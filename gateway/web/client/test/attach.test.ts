// Files are sent once, whatever the line does, and what is refused for good is told at once.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { attach, contentOf, fileUrl } from '../src/attach.js';
import { Problem, Rest } from '../src/rest.js';

const PICTURE = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1, 2, 3]);
const ATT = { id: 'at_2', url: '/v1/attachments/at_2', mime: 'image/png', bytes: PICTURE.length, name: 'box.png' };
const PREPARE = 'POST /v1/attachments';
const PUT = 'PUT /v1/attachments/at_1';
const COMPLETE = 'POST /v1/attachments/at_1/complete';

type Step = 'cut' | { status: number; body?: unknown; after?: string };

/** A node that answers each request by its script, then as it should. */
async function node(script: Record<string, Step[]>) {
  const asked: string[] = [];
  let kept: Buffer | null = null;
  const server = createServer(async (request, response) => {
    const what = `${request.method} ${request.url}`;
    asked.push(what);
    const body = await bytes(request);
    const step = script[what]?.shift();
    if (step === 'cut') {
      request.socket.destroy();
      return;
    }
    if (step) {
      response.writeHead(step.status, step.after ? { 'retry-after': step.after } : {});
      response.end(JSON.stringify(step.body ?? {}));
      return;
    }
    if (what === PUT) kept = body;
    const answers: Record<string, unknown> = { [PREPARE]: { id: 'at_1', upload_url: '/v1/attachments/at_1' }, [PUT]: {}, [COMPLETE]: { att: ATT } };
    response.end(JSON.stringify(answers[what]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const waited: number[] = [];
  return {
    asked,
    waited,
    kept: () => kept,
    rest: new Rest(async () => 'token', base),
    wait: async (ms: number) => void waited.push(ms),
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

async function bytes(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  try {
    for await (const part of request) parts.push(part as Buffer);
  } catch {
    // The client broke off.
  }
  return Buffer.concat(parts);
}

const picture = () => new File([PICTURE], 'box.png', { type: 'image/png' });

test('a file is prepared, sent and completed, with its progress', async () => {
  const { asked, kept, rest, wait, close } = await node({});
  const progress: [number, number][] = [];
  const att = await attach(rest, picture(), { progress: (sent, total) => progress.push([sent, total]) }, wait);
  assert.deepEqual(att, ATT);
  assert.deepEqual(asked, [PREPARE, PUT, COMPLETE]);
  assert.deepEqual(kept(), Buffer.from(PICTURE));
  assert.deepEqual([progress[0], progress.at(-1)], [[0, 7], [7, 7]]);
  assert.equal(contentOf(att, 'a box').type, 'image');
  assert.equal(contentOf({ ...ATT, mime: 'application/pdf' }, 'a bill').type, 'file');
  assert.equal(fileUrl(ATT, { cv: 'cv_1', id: 'ms_1' }), '/v1/attachments/at_2?cv=cv_1&ms=ms_1');
  await close();
});

test('each step is repeated over lost connections and refusals that pass', async () => {
  const busy: Step = { status: 503, body: { code: 'overloaded', detail: 'try again' }, after: '2' };
  const { asked, waited, rest, wait, close } = await node({ [PREPARE]: ['cut', busy], [PUT]: ['cut', 'cut'], [COMPLETE]: ['cut'] });
  assert.deepEqual(await attach(rest, picture(), {}, wait), ATT);
  assert.deepEqual(asked, [PREPARE, PREPARE, PREPARE, PUT, PUT, PUT, COMPLETE, COMPLETE]);
  assert.equal(waited.length, 5);
  assert.ok(waited[1]! >= 2_000, 'as long as the server says');
  await close();
});

test('bytes that arrived although the answer was lost are not sent for ever', async () => {
  const there: Step = { status: 409, body: { code: 'conflict', detail: 'it is there' } };
  const { asked, rest, wait, close } = await node({ [PUT]: ['cut', there] });
  assert.deepEqual(await attach(rest, picture(), {}, wait), ATT);
  assert.deepEqual(asked, [PREPARE, PUT, PUT, COMPLETE]);
  await close();
});

test('what is refused for good is told at once, and so is a limit that lasts', async () => {
  const large: Step = { status: 413, body: { code: 'payload_too_large', detail: 'send a smaller one' } };
  const hour: Step = { status: 429, body: { code: 'rate_limited', detail: 'wait' }, after: '3000' };
  for (const step of [large, hour]) {
    const { asked, waited, rest, wait, close } = await node({ [PREPARE]: [step] });
    await assert.rejects(attach(rest, picture(), {}, wait), (error: Problem) => error.code === (step as { body: { code: string } }).body.code);
    assert.deepEqual([asked, waited], [[PREPARE], []]);
    await close();
  }
  const first: Step = { status: 409, body: { code: 'conflict', detail: 'prepare another' } };
  const { rest, wait, close } = await node({ [PUT]: [first] });
  await assert.rejects(attach(rest, picture(), {}, wait), (error: Problem) => error.code === 'conflict');
  await close();
});

test('tries are bounded', async () => {
  const { asked, rest, wait, close } = await node({ [PREPARE]: Array.from({ length: 20 }, () => 'cut' as const) });
  await assert.rejects(attach(rest, picture(), {}, wait), TypeError);
  assert.equal(asked.length, 8);
  await close();
});

test('whoever cancels hears nothing more: before, while it waits, and between two steps', async () => {
  const reason = new Error('not any more');
  const early = new AbortController();
  early.abort(reason);
  const { asked, rest, wait, close } = await node({ [PREPARE]: ['cut'], [PUT]: ['cut'] });
  await assert.rejects(attach(rest, picture(), { signal: early.signal }, wait), reason);
  assert.equal(asked.length, 0);
  const waiting = new AbortController();
  const begun = attach(rest, picture(), { signal: waiting.signal });
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  waiting.abort(reason);
  await assert.rejects(begun, reason);
  const between = new AbortController();
  await assert.rejects(attach(rest, picture(), { signal: between.signal, progress: () => between.abort(reason) }, wait), reason);
  assert.ok(!asked.includes(COMPLETE));
  await close();
});

test('a browser counts bytes as they leave, and a broken line is a broken line', async () => {
  class Uploader {
    static last: Uploader;
    upload: { onprogress?: (event: { loaded: number }) => void } = {};
    headers: Record<string, string> = {};
    status = 200;
    statusText = 'OK';
    responseText = '{}';
    onload?: () => void;
    onerror?: () => void;
    onabort?: () => void;
    constructor() {
      Uploader.last = this;
    }
    open() {}
    setRequestHeader(name: string, value: string) {
      this.headers[name] = value;
    }
    getResponseHeader() {
      return null;
    }
    send() {
      this.upload.onprogress?.({ loaded: 3 });
    }
    abort() {
      this.onabort?.();
    }
  }
  const rest = new Rest(async () => 'token', '', undefined, Uploader as unknown as new () => XMLHttpRequest);
  const seen: number[] = [];
  const begin = (signal?: AbortSignal) => rest.put('/x', picture(), (sent) => seen.push(sent), signal);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const good = begin();
  await turn();
  assert.equal(Uploader.last.headers.authorization, 'Bearer token');
  Uploader.last.onload?.();
  assert.deepEqual(await good, {});
  assert.deepEqual(seen, [0, 3, 7]);
  const broken = begin();
  await turn();
  Uploader.last.onerror?.();
  await assert.rejects(broken, TypeError);
  const control = new AbortController();
  const cancelled = begin(control.signal);
  await turn();
  control.abort(new Error('not any more'));
  await assert.rejects(cancelled, /not any more/);
});
