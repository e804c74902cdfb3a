#!/usr/bin/env node
// Pairs of a visitor's two devices talk to each other through a node, over a line that is cut again and again, and every message is
// accounted for. Prints one JSON object. Ends with 1 when something was lost, doubled or out of order.
//
//   node soak.js --url http://127.0.0.1:8080 --pairs 4 --messages 200 --reset-every 10
//
// Every pair is one visitor with two devices, each of which says `--messages` messages in the visitor's conversation and must be told
// all of both. Tokens come from the node's development door, or from `--token-command` (run with the visitor's id as its argument).
import { execFileSync, spawn } from 'node:child_process';
import { argv, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `usage: node soak.js --url URL [--pairs 1] [--messages 100] [--every 0.25] [--reset-every 0] [--limit 600]
                    [--encoding json|msgpack] [--token-command COMMAND]
  --every S        pause between two messages of one device, seconds (a visitor may send 5 a second, with all its devices)
  --reset-every S  close every device's socket about every S seconds; 0: never
  --limit S        give up after this time, seconds`;

const number = { type: 'string' };
const { values } = parseArgs({
  options: { url: number, pairs: number, messages: number, every: number, 'reset-every': number, limit: number, encoding: number, 'token-command': number, help: { type: 'boolean' } },
});
if (values.help || !values.url) {
  console.log(HELP);
  exit(values.help ? 0 : 2);
}

if (typeof WebSocket === 'undefined') {
  // Node.js before 22 has it behind a flag.
  const child = spawn(execPath, ['--experimental-websocket', '--no-warnings', fileURLToPath(import.meta.url), ...argv.slice(2)], { stdio: 'inherit' });
  child.on('exit', (code) => exit(code ?? 1));
} else {
  const { soak } = await import('./dist/soak.js');
  const of = (name, otherwise) => (values[name] === undefined ? otherwise : Number(values[name]));
  const numbers = { pairs: of('pairs', 1), messages: of('messages', 100), everyMs: of('every', 0.25) * 1_000, resetEveryMs: of('reset-every', 0) * 1_000, limitMs: of('limit', 600) * 1_000 };
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isFinite(value) || value < 0) {
      console.error(`${name} is not a number from 0: ${value}\n${HELP}`);
      exit(2);
    }
  }
  const command = values['token-command'];
  const token = command ? async (id) => execFileSync(command, [id], { encoding: 'utf8' }).trim() : undefined;
  const report = await soak({ url: values.url, msgpack: values.encoding === 'msgpack', token, ...numbers });
  console.log(JSON.stringify(report));
  exit(report.lost + report.doubled + report.out_of_order === 0 ? 0 : 1);
}
