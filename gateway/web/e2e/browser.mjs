// The browser of the test: Debian's chromium, people in contexts of their own, and what they must never see in the console.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/google-chrome'];
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const base = (process.env.CONVERSA_URL ?? 'http://127.0.0.1:8080').replace(/\/$/, '');
export const WAIT_MS = 15_000;

export function launch() {
  const executablePath = process.env.CHROMIUM ?? BROWSERS.find((path) => existsSync(path)) ?? BROWSERS[0];
  return chromium.launch({ executablePath, args: FLAGS, headless: true });
}

/** Somebody with a browser of their own. `trouble` gathers what went wrong in the console. */
export async function person(browser, { lang = 'en', dark = false, width = 1280, height = 860 } = {}) {
  const context = await browser.newContext({
    locale: lang === 'zh' ? 'zh-CN' : 'en-US',
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    viewport: { width, height },
  });
  context.setDefaultTimeout(WAIT_MS);
  const trouble = [];
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') trouble.push(`${page.url()}: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => trouble.push(`${page.url()}: ${error.message}`));
  page.on('dialog', (dialog) => {
    trouble.push(`${page.url()}: a dialog opened: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
  });
  return { context, page, trouble };
}

export function silent(...people) {
  for (const { trouble } of people) assert.deepEqual(trouble, [], 'nothing goes wrong in the console');
}

/** Waits until `probe` of the page's locator holds; the reason names what was waited for. */
export async function until(what, probe) {
  const end = Date.now() + WAIT_MS;
  let last;
  while (Date.now() < end) {
    last = await probe();
    if (last) return last;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${what}: not within ${WAIT_MS} ms (last: ${last})`);
}

/** The messages of a transcript as [author, text, state]; a picture's text is what is read out instead of it, shown yet or not. */
export async function messages(page) {
  return page.getByTestId('message').evaluateAll((rows) =>
    rows.map((row) => {
      const bubble = row.querySelector('.bubble');
      return [row.dataset.author, bubble.innerText.trim() || (bubble.querySelector('img')?.alt ?? ''), row.dataset.state];
    }),
  );
}

/** Says something and waits until the node has it. */
export async function say(page, text) {
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('composer').press('Enter');
  await until(`"${text}" is sent`, async () => (await messages(page)).some(([, said, state]) => said === text && state === 'sent'));
}

/** What axe finds that people would stumble over. */
export async function stumblingBlocks(page) {
  // The policy forbids script elements: evaluated through the debugger instead.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.any.map((check) => check.message).join('; ')}`).join(' | ')}`);
}
