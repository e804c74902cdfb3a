// Two devices of one visitor talk to each other over a bad line, and everything said is accounted for: what `soak.js` and the test
// against a real node run. Not part of the package's entries.

import { Client } from './client.js';
import { json } from './encoding.js';
import { msgpack } from './msgpack.js';
import type { LogEvent } from './frames.js';
import { MemoryStore } from './store.js';
import type { WebSocketClass } from './transport.js';
import { random, uuidv7 } from './uuid.js';

export interface SoakOptions {
  url: string;
  pairs: number;
  messages: number;
  /** Pause between two messages of one device. */
  everyMs: number;
  /** Cuts every device's line about this often; 0: never. */
  resetEveryMs: number;
  /** Gives up after this time. */
  limitMs: number;
  /** Unanswered messages of one device after which it waits; default: it never does. */
  unanswered?: number;
  msgpack?: boolean;
  /** Default: the node's development door. */
  token?: ((id: string) => Promise<string>) | undefined;
  /** Told how many are acknowledged so far. */
  progress?: (acknowledged: number) => void;
}

export interface SoakReport {
  sent: number;
  acknowledged: number;
  /** Said, and not in what one of the two devices was told. */
  lost: number;
  doubled: number;
  out_of_order: number;
  resumes: number;
  /** Longest time from the first try to connect after a loss to the welcome, in units of the socket's own round trip, rounded up. */
  resume_round_trips_max: number;
  /** Longest time from the loss of a line to the welcome, milliseconds. */
  away_max_ms: number;
  seconds: number;
}

interface Device {
  client: Client;
  name: string;
  told: LogEvent[];
  acknowledged: number;
  refused: number;
}

/** Runs the pairs to their end, or to the limit. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const begun = Date.now();
  const lines = new Lines();
  const pairs = await Promise.all(Array.from({ length: options.pairs }, () => pair(options, lines)));
  const cutter = options.resetEveryMs > 0 ? setInterval(() => lines.cut(0.1), options.resetEveryMs / 10) : undefined;
  const progress = setInterval(() => options.progress?.(sum(pairs.flat().map(({ acknowledged }) => acknowledged))), 50);
  const over = () => Date.now() - begun > options.limitMs;
  await Promise.all(pairs.flat().map((device) => talk(device, options, over)));
  const whole = ({ told }: Device) => said(told).length >= options.messages * 2;
  while (!over() && !pairs.flat().every(whole)) await pause(50);
  clearInterval(cutter);
  clearInterval(progress);
  const report = judge(pairs, options.messages);
  await Promise.all(pairs.flat().map(({ client }) => client.close()));
  return {
    ...report,
    resumes: lines.resumes,
    resume_round_trips_max: lines.roundTripsMax,
    away_max_ms: lines.awayMaxMs,
    seconds: (Date.now() - begun) / 1_000,
  };
}

async function pair(options: SoakOptions, lines: Lines): Promise<Device[]> {
  const id = `vi_soak${uuidv7(Date.now(), random).replaceAll('-', '').slice(0, 24)}`;
  const token = options.token ?? ((who: string) => developmentToken(options.url, who));
  const devices = ['one', 'two'].map((name): Device => {
    const store = new MemoryStore();
    const encoding = options.msgpack ? msgpack : json;
    const client = new Client({ url: options.url, role: 'visitor', device: `soak-${name}`, name: 'soak', encoding, token: () => token(id), WebSocket: lines.socket() }, store);
    const device = { client, name, told: [] as LogEvent[], acknowledged: 0, refused: 0 };
    client.on('event', ({ event }) => device.told.push(event));
    client.start();
    return device;
  });
  await devices[0]!.client.open({ channel: 'web', lang: 'en' });
  return devices;
}

async function developmentToken(url: string, id: string): Promise<string> {
  const door = new URL('/v1/dev/tokens', url.replace(/^ws/, 'http'));
  const response = await fetch(door, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ role: 'visitor', id }), signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`the node gives no token: ${response.status}`);
  return ((await response.json()) as { token: string }).token;
}

async function talk(device: Device, { messages, everyMs, unanswered = messages }: SoakOptions, over: () => boolean): Promise<void> {
  const { cv } = await device.client.open({ channel: 'web', lang: 'en' });
  const answers = [];
  for (let n = 1; n <= messages && !over(); n += 1) {
    const answer = device.client.send(cv, { type: 'text', text: `${device.name} ${n}` });
    answers.push(answer.then(() => (device.acknowledged += 1), () => (device.refused += 1)));
    await pause(everyMs * (0.5 + random()));
    while (!over() && n - device.acknowledged - device.refused >= unanswered) await pause(20);
  }
  const all = Promise.all(answers);
  while (!over() && !(await Promise.race([all.then(() => true), pause(50).then(() => false)])));
}

/** The texts that devices said, in the order in which they were told. */
function said(told: LogEvent[]): string[] {
  return told.flatMap(({ d }) => {
    const { message } = d;
    return message?.author.kind === 'visitor' && message.content.type === 'text' ? [message.content.text] : [];
  });
}

function judge(pairs: Device[][], messages: number): Pick<SoakReport, 'sent' | 'acknowledged' | 'lost' | 'doubled' | 'out_of_order'> {
  const report = { sent: 0, acknowledged: 0, lost: 0, doubled: 0, out_of_order: 0 };
  for (const devices of pairs) {
    report.sent += devices.length * messages;
    report.acknowledged += sum(devices.map(({ acknowledged }) => acknowledged));
    for (const { told } of devices) {
      const texts = said(told);
      const seen = new Set(texts);
      report.doubled += texts.length - seen.size;
      report.out_of_order += told.filter(({ o }, at) => at > 0 && o <= told[at - 1]!.o).length;
      for (const { name } of devices) {
        const numbers = texts.flatMap((text) => (text.startsWith(`${name} `) ? [Number(text.slice(name.length + 1))] : []));
        report.lost += messages - new Set(numbers).size;
        report.out_of_order += numbers.filter((n, at) => at > 0 && n < numbers[at - 1]!).length;
      }
    }
  }
  return report;
}

/** Counts and cuts sockets: a class like WebSocket for each device. */
class Lines {
  resumes = 0;
  roundTripsMax = 0;
  awayMaxMs = 0;
  readonly #open = new Set<WebSocket>();

  /** Cuts each line with this probability: closed without the protocol's goodbye, for the machine it is a line that broke. */
  cut(probability: number): void {
    for (const line of this.#open) if (random() < probability) line.close();
  }

  socket(): WebSocketClass {
    const lines = this;
    let lostAt = 0;
    return class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        const begun = Date.now();
        let openedAt = 0;
        let greeted = false;
        this.addEventListener('open', () => {
          openedAt = Date.now();
          lines.#open.add(this);
        });
        this.addEventListener('message', () => {
          if (greeted) return;
          greeted = true;
          if (lostAt === 0) return;
          lines.resumes += 1;
          lines.awayMaxMs = Math.max(lines.awayMaxMs, Date.now() - lostAt);
          // TCP's and the upgrade's round trips took from `begun` to `openedAt`: two of them.
          const trip = Math.max(1, (openedAt - begun) / 2);
          lines.roundTripsMax = Math.max(lines.roundTripsMax, Math.ceil((Date.now() - begun) / trip));
        });
        this.addEventListener('close', () => {
          lines.#open.delete(this);
          if (greeted) lostAt = Date.now();
        });
      }
    };
  }
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
