// A thousand stories of lost sockets, dead servers, restarted clients and slow stores: what was accepted is in the log once and in
// order, nothing is lost, and everybody is told all of it, once and in order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Person, seeded, Server, Time } from './world.js';

const SEEDS = Number(process.env.SEEDS ?? 1_000);
const MESSAGES = 12;
const CVS = ['cv_a', 'cv_b'];

interface Story {
  full: number;
  positions: number;
  goaway: number;
}

function story(seed: number, sum: Story): void {
  const random = seeded(seed);
  const time = new Time();
  const faults = { on: true, full: random() < 0.5, recoverMax: random() < 0.5 ? 300 : 5 };
  const server = new Server(time, random, faults);
  for (const cv of CVS) server.open(cv);
  const people = ['ann', 'bob'].map((name) => new Person(server, name, random() < 0.5));
  for (const person of people) person.input({ in: 'start' });
  const restarts = random() < 0.3;
  const end = time.now + 30_000;
  for (const person of people) {
    for (let n = 1; n <= MESSAGES; n += 1) {
      for (const cv of CVS) time.after(random() * 1_500 + n * 1_500, () => person.say(cv, `${person.name} ${n}`));
    }
  }
  const trouble = () => {
    const person = people[Math.floor(random() * people.length)]!;
    const dice = random();
    if (dice < 0.4) person.cut(random() < 0.3);
    else if (dice < 0.6) server.kill(random() < 0.3);
    else if (dice < 0.75) server.moveAll();
    else if (dice < 0.85) person.input({ in: 'hurry' });
    else if (restarts) person.restart();
    time.after(random() * 3_000, () => time.now < end && trouble());
  };
  time.after(random() * 2_000, trouble);
  while (time.step(end));
  faults.on = false;
  // Long enough for a silent line to be found dead and for the longest back-off, twice.
  while (time.step(end + 200_000));

  for (const person of people) {
    const asked = person.told.filter((told) => told.type === 'failed');
    assert.deepEqual(asked, [], `seed ${seed}: ${person.name} was refused`);
    assert.equal(person.core.state, 'online', `seed ${seed}: ${person.name} is there`);
    assert.deepEqual(person.core.waiting(), [], `seed ${seed}: nothing waits`);
    assert.equal([...person.kept.keys()].some((name) => name.startsWith('entry/')), false, `seed ${seed}: nothing is left in the store`);
    for (const cv of CVS) check(seed, server, person, cv);
  }
  if (!restarts) {
    for (const cv of CVS) assert.equal(server.logs.get(cv)!.length, 1 + people.length * MESSAGES, `seed ${seed}: ${cv} has every message once`);
    for (const person of people) assert.equal(person.settled, CVS.length * MESSAGES, `seed ${seed}: every caller has the answer`);
  }
  sum.full += server.resumed.full;
  sum.positions += server.resumed.positions;
  sum.goaway += people[0]!.told.filter((told) => told.type === 'goaway').length;
}

function check(seed: number, server: Server, person: Person, cv: string): void {
  const log = server.logs.get(cv)!;
  const texts = log.flatMap(({ d }) => (d.message ? [d.message.content.text] : []));
  assert.equal(new Set(texts).size, texts.length, `seed ${seed}: ${cv} has no message twice`);
  const own = log.flatMap(({ d }) => (d.message?.author.id === person.name ? [Number(d.message.content.text.split(' ')[1])] : []));
  assert.deepEqual(own, own.toSorted((a, b) => a - b), `seed ${seed}: ${person.name}'s messages are in the order in which they were said`);
  const told = person.log.filter((event) => event.cv === cv);
  const offsets = person.remember ? [...new Set(told.map(({ o }) => o))] : told.map(({ o }) => o);
  assert.deepEqual(
    offsets,
    log.map(({ o }) => o),
    `seed ${seed}: ${person.name} is told all of ${cv}, once and in order`,
  );
  for (const { k, o, d } of told) {
    if (k === 'message.created') assert.deepEqual((d.message?.content as { text: string }).text, log[o - 1]!.d.message!.content.text, `seed ${seed}: unaltered`);
  }
}

test(`${SEEDS} random stories`, () => {
  const sum = { full: 0, positions: 0, goaway: 0 };
  const first = Number(process.env.SEED ?? 1);
  for (let seed = first; seed < first + SEEDS; seed += 1) story(seed, sum);
  // The stories are worth something only if all of this happened.
  if (SEEDS >= 1_000) for (const [what, count] of Object.entries(sum)) assert.ok(count > 1_000, `${what} happened ${count} times`);
});
