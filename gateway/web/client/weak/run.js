#!/usr/bin/env node
// A weak network, with real processes: a node in one network namespace, the devices of visitors in another, between them a line that
// loses, delays and reorders packets. Devices are killed and opened again, lines go silent, the server resets them. Everything said is
// then accounted for, on every device and in the node's log. Needs root, iptables and iproute2.
//
//   node weak/run.js --conversa target/release/conversa --line target/release/weakline
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { execPath, exit, pid, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `usage: node weak/run.js --conversa PROGRAM --line PROGRAM [options]
  --visitors N     visitors, each with two devices (4)
  --messages N     messages of each device (60)
  --loss PERCENT   of packets, each way (20)
  --delay MS       each way (150), --jitter MS up or down (50): 300 +- 100 ms there and back
  --rate KBIT      each way (64); 0: no limit
  --reset-every S  the server's side resets every connection (30)
  --silent-every S half of the connections go silent for ever, without a word (45)
  --kills N        times that each device is killed with SIGKILL and opened again (20)
  --limit S        give up after this time (1800)
  --report FILE    the figures as JSON`;
const option = (name) => [name, { type: 'string' }];
const { values } = parseArgs({ options: { ...Object.fromEntries(['conversa', 'line', 'visitors', 'messages', 'loss', 'delay', 'jitter', 'rate', 'reset-every', 'silent-every', 'kills', 'limit', 'report'].map(option)), help: { type: 'boolean' } } });
if (values.help || !values.conversa || !values.line) {
  console.log(HELP);
  exit(values.help ? 0 : 2);
}
const number = (name, otherwise) => Number(values[name] ?? otherwise);
const VISITORS = number('visitors', 4);
const MESSAGES = number('messages', 60);
const KILLS = number('kills', 20);
const LIMIT_MS = number('limit', 1800) * 1_000;
const EVERY_MS = 5_000;

const [SERVER, CLIENT, HOST] = [`cv-weak-s${pid}`, `cv-weak-c${pid}`, '10.77.0.1'];
const folder = mkdtempSync(`${tmpdir()}/conversa-weak-`);
const run = (program, ...args) => execFileSync(program, args, { encoding: 'utf8' });
const inside = (space, ...args) => run('ip', 'netns', 'exec', space, ...args);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const children = new Set();

function start(space, ...args) {
  const child = spawn('ip', ['netns', 'exec', space, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

function connect() {
  for (const space of [SERVER, CLIENT]) run('ip', 'netns', 'add', space);
  run('ip', 'link', 'add', `wc${pid}`, 'netns', CLIENT, 'type', 'veth', 'peer', 'name', `ws${pid}`, 'netns', SERVER);
  inside(SERVER, 'ip', 'addr', 'add', `${HOST}/24`, 'dev', `ws${pid}`);
  inside(CLIENT, 'ip', 'addr', 'add', '10.77.0.2/24', 'dev', `wc${pid}`);
  for (const [space, device] of [[SERVER, `ws${pid}`], [CLIENT, `wc${pid}`]]) {
    inside(space, 'ip', 'link', 'set', 'lo', 'up');
    inside(space, 'ip', 'link', 'set', device, 'up');
  }
}

/** Both ways of the line, at the client's end. */
function weaken() {
  const of = [number('delay', 150), number('jitter', 50), number('loss', 20) / 100, number('rate', 64)].map(String);
  for (const [queue, chain] of [['1', 'OUTPUT'], ['2', 'INPUT']]) {
    start(CLIENT, values.line, queue, ...of);
    inside(CLIENT, 'iptables', '-A', chain, '!', chain === 'INPUT' ? '-i' : '-o', 'lo', '-j', 'NFQUEUE', '--queue-num', queue);
  }
}

/** The connections to the node that stand, by the devices' ports. */
function ports() {
  const list = inside(CLIENT, 'ss', '-Htn', 'state', 'established', 'dst', HOST);
  return list.split('\n').flatMap((line) => line.match(/10\.77\.0\.2:(\d+)/)?.[1] ?? []);
}

/** These connections get no packet through any more, in either direction; nobody is told. */
function silence(some) {
  for (const port of some) {
    inside(CLIENT, 'iptables', '-I', 'OUTPUT', '-p', 'tcp', '--sport', port, '-j', 'DROP');
    inside(CLIENT, 'iptables', '-I', 'INPUT', '-p', 'tcp', '--dport', port, '-j', 'DROP');
  }
}

/** What comes for these connections is answered with a reset, at the server's end, for a while. */
async function reset() {
  const rule = ['INPUT', '-p', 'tcp', '--dport', '8080', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'REJECT', '--reject-with', 'tcp-reset'];
  inside(SERVER, 'iptables', '-I', ...rule);
  await pause(1_500);
  inside(SERVER, 'iptables', '-D', ...rule);
}

const config = `${folder}/conversa.toml`;
writeFileSync(config, `[node]\ndata = "${folder}/data"\nlisten = "${HOST}:8080"\n\n[limits]\nconnections_per_address = 10000\nvisitor_rate_per_s = 50\nvisitor_burst = 200\n\n[[tenants]]\nid = "weak"\nsecret = "${'weak-network-run-secret-'.repeat(2)}"\n\n[[tenants.queues]]\nid = "support"\nname_zh = "客服"\nname_en = "Support"\n`);
const token = (role, id) => run(values.conversa, 'token', '--config', config, '--role', role, '--id', id).trim();

function clean() {
  for (const child of children) child.kill('SIGKILL');
  for (const space of [SERVER, CLIENT]) {
    try {
      for (const one of run('ip', 'netns', 'pids', space).split('\n').filter(Boolean)) run('kill', '-9', one);
      run('ip', 'netns', 'del', space);
    } catch {
      // It was not there.
    }
  }
  rmSync(folder, { recursive: true, force: true });
}

const figures = { devices: VISITORS * 2, said: 0, killed: 0, resets: 0, silenced: 0, resumed: { full: 0, positions: 0, none: 0, bye: 0 }, frames_before_welcome_max: 0, welcome_ms: [], refused: [] };

class Device {
  constructor(visitor, name, others, number) {
    Object.assign(this, { visitor, name, others, done: false, killed: 0, folder: `${folder}/${visitor}-${name}`, encoding: number % 2 ? 'msgpack' : 'json' });
    mkdirSync(this.folder);
    this.token = token('visitor', visitor);
  }

  open() {
    const { name, others, folder: place, encoding } = this;
    const order = { url: `http://${HOST}:8080`, token: this.token, name, others, messages: MESSAGES, everyMs: EVERY_MS, folder: place, encoding };
    const child = start(CLIENT, execPath, '--experimental-websocket', '--no-warnings', fileURLToPath(new URL('device.js', import.meta.url)), JSON.stringify(order));
    this.child = child;
    let rest = '';
    child.stdout.on('data', (data) => {
      const all = `${rest}${data}`.split('\n');
      rest = all.pop();
      for (const line of all.filter(Boolean)) this.hear(JSON.parse(line));
    });
    child.on('exit', (code) => {
      if (code === 0) this.done = true;
      else setTimeout(() => this.done || stopping || this.open(), 500 + Math.random() * 2_000);
    });
  }

  hear({ welcome, frames, welcome_ms, refused }) {
    if (refused) return figures.refused.push(refused);
    figures.resumed[welcome] = (figures.resumed[welcome] ?? 0) + 1;
    figures.frames_before_welcome_max = Math.max(figures.frames_before_welcome_max, frames);
    figures.welcome_ms.push(welcome_ms);
  }

  kill() {
    this.killed += 1;
    figures.killed += 1;
    this.child.kill('SIGKILL');
  }
}

let stopping = false;
let outcome = 1;
try {
  connect();
  const node = start(SERVER, values.conversa, 'serve', '--config', config);
  await new Promise((resolve, reject) => {
    node.stdout.on('data', (data) => String(data).includes('listening on') && resolve());
    node.on('exit', () => reject(new Error('the node ended')));
  });
  weaken();
  const visitors = Array.from({ length: VISITORS }, (_, n) => `vi_weak${n}`);
  const devices = visitors.flatMap((visitor, n) => [new Device(visitor, 'one', ['two'], n), new Device(visitor, 'two', ['one'], n + 1)]);
  const begun = Date.now();
  devices.forEach((device) => device.open());
  const since = (at) => (Date.now() - at) / 1_000;
  let [resetAt, silencedAt, killedAt, shownAt] = [begun, begun, begun, 0];
  const killEvery = (MESSAGES * EVERY_MS) / 1_000 / KILLS;
  while (!devices.every(({ done }) => done) && Date.now() - begun < LIMIT_MS) {
    await pause(250);
    if (since(resetAt) >= number('reset-every', 30)) {
      resetAt = Date.now();
      figures.resets += 1;
      await reset();
    }
    if (since(silencedAt) >= number('silent-every', 45)) {
      silencedAt = Date.now();
      const some = ports().filter(() => Math.random() < 0.5);
      silence(some);
      figures.silenced += some.length;
    }
    if (since(killedAt) >= killEvery) {
      killedAt = Date.now();
      devices.filter(({ done, killed }) => !done && killed < KILLS).forEach((device) => device.kill());
    }
    if (since(shownAt) >= 10) {
      shownAt = Date.now();
      stderr.write(`[${Math.round(since(begun))} s] ${devices.filter(({ done }) => done).length} of ${devices.length} devices have everything; killed ${figures.killed}, resets ${figures.resets}, silenced ${figures.silenced}\n`);
    }
  }
  stopping = true;
  figures.seconds = Math.round(since(begun));
  Object.assign(figures, judge(devices));
  const sorted = figures.welcome_ms.sort((a, b) => a - b);
  figures.welcome_ms = { p50: sorted[Math.floor(sorted.length / 2)], p99: sorted[Math.floor(sorted.length * 0.99)], max: sorted.at(-1) };
  console.log(JSON.stringify(figures, null, 2));
  if (values.report) writeFileSync(values.report, JSON.stringify(figures, null, 2));
  outcome = figures.lost + figures.doubled + figures.out_of_order + figures.refused.length === 0 && figures.frames_before_welcome_max <= 1 ? 0 : 1;
} finally {
  stopping = true;
  clean();
}
exit(outcome);

/** What each device noted, against what was to be said. */
function judge(devices) {
  const counts = { said: 0, told: 0, lost: 0, doubled: 0, out_of_order: 0 };
  for (const { folder: place, name, others } of devices) {
    counts.said += MESSAGES;
    const file = `${place}/told.jsonl`;
    const told = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
    const texts = told.flatMap(({ text }) => (text ? [text] : []));
    counts.told += texts.length;
    counts.doubled += texts.length - new Set(texts).size;
    counts.out_of_order += told.filter(({ o }, at) => at > 0 && o <= told[at - 1].o).length;
    for (const who of [name, ...others]) {
      const numbers = texts.filter((text) => text.startsWith(`${who} `)).map((text) => Number(text.split(' ')[1]));
      counts.lost += MESSAGES - new Set(numbers).size;
      counts.out_of_order += numbers.filter((n, at) => at > 0 && n < numbers[at - 1]).length;
    }
  }
  return counts;
}
