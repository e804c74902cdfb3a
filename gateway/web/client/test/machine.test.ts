// The machine by script: each test is one story of the protocol.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Script } from './script.js';

const sent = (o: number, more: object = {}) => ({ d: { id: `ms_${o}`, cv: 'cv_a', o, ep: 1, ts: 0, ...more } });

test('what is kept is stored before it is sent, under one key until it is answered', () => {
  const script = new Script().online();
  script.slow = true;
  script.say('hello');
  assert.equal(script.sent('req').length, 0, 'not before the store has it');
  const write = script.effects.findLast((effect) => effect.do === 'write');
  script.input({ in: 'written', write: write?.do === 'write' ? write.write : 0 });
  assert.equal(script.sent('req').length, 1);
  assert.match(script.sent('req')[0]!.key, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.1$/);
  script.answer({ err: { code: 'unavailable', msg: '', retry: true } }).due();
  script.closed(1006).due().greet().welcome();
  const keys = script.sent('req').map(({ key }) => key);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1, 'the same key over refusals and connections');
});

test('a store that fails keeps the message from being sent', () => {
  const script = new Script().online();
  script.slow = true;
  script.say('hello');
  const write = script.effects.findLast((effect) => effect.do === 'write');
  script.input({ in: 'unwritten', write: write?.do === 'write' ? write.write : 0, reason: 'full' });
  assert.deepEqual(script.failures(), ['storage']);
  assert.equal(script.sent('req').length, 0);
});

test('messages of one conversation go one after the other, those of another do not wait; a refused number is used again', () => {
  const script = new Script().online();
  script.say('1').say('2').say('b', 'cv_b');
  assert.deepEqual(script.sent('req').map(({ cv, d }) => [cv, d.content.text]), [['cv_a', '1'], ['cv_b', 'b']]);
  script.frame({ t: 'res', id: 1, err: { code: 'unsupported_content', msg: 'no', retry: false } });
  const [first, , second] = script.sent('req');
  assert.equal(second!.d.content.text, '2');
  assert.equal(second!.key, first!.key);
  assert.deepEqual(script.failures(), ['unsupported_content']);
});

test('the outbox is bounded and says so', () => {
  const script = new Script();
  script.input({ in: 'start' }).say('1').say('2').say('3').say('4');
  assert.deepEqual(script.failures(), ['outbox_full']);
  assert.equal(script.core.waiting().length, 3);
});

test('rate_limited holds everything back for as long as it says', () => {
  const script = new Script().online();
  script.say('1').answer({ err: { code: 'rate_limited', msg: '', retry: true, retry_after_ms: 700 } });
  script.say('b', 'cv_b');
  assert.equal(script.sent('req').length, 1);
  assert.equal(script.core.due(), 700);
  script.due();
  assert.equal(script.sent('req').length, 3);
});

test('a conflict leaves the lane and tries another one; a third is the caller’s', () => {
  let drawn = 0;
  const script = new Script({ random: () => (drawn += 0.001) % 1 }).online();
  const conflict = { err: { code: 'conflict', msg: 'a gap', retry: false } };
  script.say('1').answer(conflict).answer(conflict).answer(conflict);
  assert.equal(new Set(script.sent('req').map(({ key }) => key)).size, 3);
  assert.deepEqual(script.failures(), ['conflict']);
});

test('another client sends what an earlier one has left in the store, under the same key', () => {
  const first = new Script().online().say('1');
  const second = new Script({}, first.kept).online();
  assert.equal(second.sent('req')[0]!.key, first.sent('req')[0]!.key);
  second.answer(sent(2));
  assert.deepEqual(second.core.waiting(), []);
  const removed = second.effects.flatMap((effect) => (effect.do === 'write' ? effect.changes : [])).filter(({ value }) => value === undefined);
  assert.equal(removed.filter(({ name }) => name.startsWith('entry/')).length, 1, 'and it is gone from the store');
});

test('repeats are dropped, own answers move the position, a gap in s is a reason to come back by positions', () => {
  const script = new Script().online({ resume_token: 'r' }).ev(2, 1).ev(2, 1).ev(3, 1).ev(4, 2);
  script.say('3').answer(sent(3));
  script.ev(5, 3).ev(6, 4);
  assert.deepEqual(script.offsets(), [1, 2, 3, 4]);
  assert.deepEqual(script.told('event').map(({ own }) => own), [false, false, true, false]);
  script.ev(8, 5);
  assert.equal(script.core.state, 'waiting');
  script.due().greet();
  assert.deepEqual(script.sent('connect').at(-1)!.d.resume, { pos: { cv_a: [1, 4] } });
});

test('a full resume goes on in the same session', () => {
  const script = new Script().online({ resume_token: 'r1' }).ev(2, 1).ev(3, 2).closed(1006).due().greet();
  assert.deepEqual(script.sent('connect').at(-1)!.d.resume, { session: 'se_1', resume_token: 'r1', s: 3, pos: { cv_a: [1, 2] } });
  script.welcome({ resumed: 'full', resume_token: 'r2', from_s: 4 }).ev(4, 3);
  assert.deepEqual(script.offsets(), [1, 2, 3]);
  script.closed(4009).due().greet();
  assert.deepEqual(script.sent('connect').at(-1)!.d.resume, { pos: { cv_a: [1, 3] } }, 'an expired session is not asked for again');
});

test('a full resume that begins too late is not believed', () => {
  const script = new Script().online({ resume_token: 'r1' }).ev(2, 1).closed(1006).due().greet();
  script.welcome({ resumed: 'full', resume_token: 'r2', from_s: 9 });
  assert.equal(script.core.state, 'waiting');
  script.due().greet();
  assert.equal(script.sent('connect').at(-1)!.d.resume.session, undefined);
});

test('with a message in doubt the log is asked, not the session', () => {
  const script = new Script().online({ resume_token: 'r1' }).ev(2, 1).say('x').closed(1006).due().greet();
  assert.deepEqual(script.sent('connect').at(-1)!.d.resume, { pos: { cv_a: [1, 1] } });
});

test('a stale conversation is read by pages, in order, before anything newer', () => {
  const script = new Script().online().ev(2, 1).closed(1006).due().greet();
  script.welcome({ resumed: 'positions', stale: ['cv_a'] }).frame({ t: 'ev', s: 1, k: 'snapshot', ts: 0, d: { conversations: [] } });
  assert.deepEqual(script.reads(), [['cv_a', 1]]);
  script.ev(2, 7);
  assert.deepEqual(script.offsets(), [1]);
  script.page([2, 3, 4], 4, 6).page([5, 6], null, 6);
  assert.deepEqual(script.reads(), [['cv_a', 1], ['cv_a', 4], ['cv_a', 6]], '7 came meanwhile');
  script.page([7], null, 7).ev(3, 8);
  assert.deepEqual(script.offsets(), [1, 2, 3, 4, 5, 6, 7, 8]);
});

test('another epoch is another log: it is told again from its beginning', () => {
  const script = new Script().online().ev(2, 1).ev(3, 2);
  script.ev(4, 2, 'cv_a', 'message.created', 2);
  assert.deepEqual(script.told('reread').map(({ cv, ep }) => [cv, ep]), [['cv_a', 2]]);
  script.page([1, 2], null, 2);
  assert.deepEqual(script.told('event').map(({ event }) => [event.ep, event.o]), [[1, 1], [1, 2], [2, 1], [2, 2]]);
});

test('acknowledged after 32 events, after 5 s, in a pong and before a clean close', () => {
  const script = new Script().online();
  for (let s = 2; s <= 32; s += 1) script.ev(s, s - 1);
  assert.deepEqual(script.sent('ack'), [{ t: 'ack', s: 32 }]);
  script.at(100).ev(33, 32);
  assert.equal(script.core.due(), 5_000, 'the connection is steady');
  script.due().due();
  assert.equal(script.now, 5_100);
  assert.deepEqual(script.sent('ack').at(-1), { t: 'ack', s: 33 });
  script.ev(34, 33).frame({ t: 'ping', n: 9 });
  assert.deepEqual(script.sent('pong'), [{ t: 'pong', n: 9, s: 34 }]);
  script.ev(35, 34).input({ in: 'stop' });
  const [ack, close] = script.effects.filter((effect) => effect.do === 'send' || effect.do === 'close').slice(-2);
  assert.deepEqual(ack, { do: 'send', socket: 1, frame: { t: 'ack', s: 35 } });
  assert.equal(close?.do === 'close' && close.code, 1000);
});

test('silence is pinged at, then given up', () => {
  const script = new Script().online();
  script.due().due();
  script.at(25_000).input({ in: 'tick' });
  assert.equal(script.sent('ping').length, 1);
  script.at(34_999).input({ in: 'tick' });
  assert.equal(script.core.state, 'online');
  script.at(35_000).input({ in: 'tick' });
  assert.equal(script.core.state, 'waiting');
});

test('goaway: the new socket opens at its url after its time, resumes, and only then the old one closes', () => {
  const script = new Script().online({ resume_token: 'r' }).ev(2, 1);
  const old = script.socket;
  script.say('in flight').frame({ t: 'goaway', d: { reason: 'drain', after_ms: 500, deadline_ms: 5_000, url: 'wss://b/v1/ws' } });
  script.at(500).input({ in: 'tick' });
  assert.equal(script.effects.filter(({ do: what }) => what === 'token').length, 1, 'a request is still on its way');
  script.say('held').answer(sent(2)).greet();
  const open = script.effects.findLast((effect) => effect.do === 'open');
  assert.equal(open?.do === 'open' && open.url, 'wss://b/v1/ws');
  script.frame({ t: 'ev', s: 3, k: 'message.created', cv: 'cv_a', ep: 1, o: 3, ts: 0, d: {} }, old);
  script.welcome({ resumed: 'full', resume_token: 'r2', from_s: 3 });
  script.closed(4509, old);
  assert.equal(script.core.state, 'online', 'the end of the old one is none');
  script.ev(3, 3).ev(4, 4);
  assert.deepEqual(script.offsets(), [1, 2, 3, 4]);
  assert.equal(script.sent('req').at(-1)!.d.content.text, 'held');
});

test('a url of less safety is not followed', () => {
  const script = new Script().online({ url: 'ws://plain/v1/ws' }).closed(1006).due().greet();
  const open = script.effects.findLast((effect) => effect.do === 'open');
  assert.equal(open?.do === 'open' && open.url, 'wss://a/v1/ws');
});

test('back-off grows from 0.5 s to 30 s; a hint that the network is back shortens it', () => {
  const script = new Script().input({ in: 'start' });
  const waits = [];
  for (let attempt = 0; attempt < 9; attempt += 1) {
    script.greet().closed(1006);
    waits.push(script.core.due() - script.now);
    script.due();
  }
  assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000], 'half of it, with randomness 0.5');
  script.greet().closed(1006).input({ in: 'hurry' });
  assert.equal(script.core.state, 'connecting');
});

test('what is final is told: 4509 after a while, 4501 with a fresh token too', () => {
  const replaced = new Script().online().at(60_000).closed(4509);
  assert.deepEqual(replaced.told('state').at(-1), { type: 'state', state: 'ended', ending: { code: 4509, reason: '' } });
  replaced.say('late');
  assert.deepEqual(replaced.failures(), ['ended']);
  const expired = new Script().online().closed(4501);
  assert.equal(expired.core.state, 'waiting');
  expired.due();
  assert.deepEqual(expired.effects.findLast((effect) => effect.do === 'token'), { do: 'token', socket: 2, fresh: true });
  expired.greet().closed(4501);
  assert.equal(expired.core.state, 'ended');
});

test('a request that does not fit is refused here, not by a lost connection', () => {
  const script = new Script().online({ limits: { frame: 300 } }).say('x'.repeat(400)).say('short');
  assert.deepEqual(script.failures(), ['too_large']);
  assert.equal(script.sent('req').length, 1);
});

test('a batch is its frames; receipts are told as updates; a read mark replaces the one before', () => {
  const script = new Script().online();
  const created = (s: number, o: number) => ({ t: 'ev', s, k: 'message.created', cv: 'cv_a', ep: 1, o, ts: 0, d: {} });
  script.frame({ t: 'batch', d: [created(2, 1), created(3, 2), { t: 'ev', s: 4, k: 'receipt', cv: 'cv_a', ts: 0, d: { upto: 2, state: 'read' } }] });
  assert.deepEqual(script.offsets(), [1, 2]);
  assert.deepEqual(script.told('update').map(({ k, d }) => [k, d.upto]), [['receipt', 2]]);
  script.closed(1006);
  for (const upto of [1, 2]) script.ask({ m: 'receipt.read', cv: 'cv_a', d: { upto }, kind: 'keyed' });
  assert.deepEqual(script.core.waiting().map(({ d }) => d), [{ upto: 2 }]);
});

test('a frame that is none gives up the line, not the client; unknown classes and kinds are passed over', () => {
  for (const frame of [null, 7, 'x', {}, { t: 'goaway' }, { t: 'batch', d: 1 }, { t: 'ev' }, { t: 'batch', d: [{ t: 'batch', d: [] }] }]) {
    const script = new Script().online().frame(frame);
    assert.equal(script.core.state, 'waiting', JSON.stringify(frame));
    script.due().greet().welcome();
    assert.equal(script.core.state, 'online');
  }
  for (const frame of [{ t: 'shout' }, { t: 'ev', s: 2, k: 'new.kind', ts: 0, d: {} }, { t: 'eph', k: 'new' }]) assert.equal(new Script().online().frame(frame).core.state, 'online');
});
