// Two devices against the real node, which is killed without a word and started again ten times: nothing is lost, doubled or out of
// order. Needs the binary: CONVERSA=path; without it the test says so and is skipped.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { soak } from '../src/soak.js';

const KILLS = 10;
/** Of each device; enough for ten deaths, each after some more were acknowledged. */
const MESSAGES = 80;
const BETWEEN = 3;
const binary = process.env.CONVERSA ?? '';
const skip = existsSync(binary) ? false : 'CONVERSA does not name the binary of the node';

/** A port that is free now: a killed node comes back on it. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function start(data: string, port: number): Promise<ChildProcess> {
  const node = spawn(binary, ['run', '--data', data, '--listen', `127.0.0.1:${port}`], { stdio: ['ignore', 'pipe', 'ignore'] });
  return new Promise((resolve, reject) => {
    createInterface(node.stdout!).on('line', (line) => line.startsWith('listening on ') && resolve(node));
    node.on('exit', () => reject(new Error('the node ended before it listened')));
  });
}

for (const msgpack of [false, true]) {
  test(`two devices and a node that is killed ten times, in ${msgpack ? 'MessagePack' : 'JSON'}`, { skip, timeout: 180_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'conversa-client-'));
    const port = await freePort();
    let node = await start(join(folder, 'data'), port);
    let kills = 0;
    let restarting: Promise<void> = Promise.resolve();
    const restart = async () => {
      const gone = new Promise((resolve) => node.once('exit', resolve));
      node.kill('SIGKILL');
      await gone;
      node = await start(join(folder, 'data'), port);
    };
    // Killed again when some more messages were acknowledged, so with others on their way and never twice in one absence.
    let next = BETWEEN;
    let dead = false;
    const progress = (acknowledged: number) => {
      if (kills >= KILLS || dead || acknowledged < next) return;
      kills += 1;
      dead = true;
      restarting = restart().then(() => {
        dead = false;
        next = reached + BETWEEN;
      });
    };
    let reached = 0;
    try {
      const report = await soak({ url: `http://127.0.0.1:${port}`, pairs: 1, messages: MESSAGES, everyMs: 50, unanswered: 3, resetEveryMs: 0, limitMs: 150_000, msgpack, progress: (acknowledged) => progress((reached = acknowledged)) });
      await restarting;
      assert.equal(kills, KILLS);
      assert.ok(report.resumes >= KILLS, `${report.resumes} resumes`);
      const { sent, acknowledged, lost, doubled, out_of_order } = report;
      assert.deepEqual({ sent, acknowledged, lost, doubled, out_of_order }, { sent: MESSAGES * 2, acknowledged: MESSAGES * 2, lost: 0, doubled: 0, out_of_order: 0 });
    } finally {
      await restarting.catch(() => undefined);
      node.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
