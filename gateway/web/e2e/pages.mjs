// The pages as people use them, against a running node (CONVERSA_URL): a visitor asks, the bot answers, an agent takes over, the
// boards show it. Nothing may be lost, nothing may run as script, and everybody must be able to use it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { base, launch, messages, person, say, silent, stumblingBlocks, until, WAIT_MS } from './browser.mjs';

const SCRIPT = '<img src=x onerror="alert(1)">';
const KEPT = 'Das läuft über 顺丰, thank you!';

let browser;
let visitor;
let agent;

before(async () => {
  browser = await launch();
  visitor = await person(browser, { lang: 'en' });
  agent = await person(browser, { lang: 'en' });
});

after(async () => {
  await browser?.close();
});

const test_ = (name, run) => test(name, { timeout: 120_000 }, run);
const status = (page) => page.getByTestId('status').getAttribute('data-phase');
const answers = async (page) => (await messages(page)).filter(([author]) => author === 'bot').length;

test_('a visitor asks in Chinese and in English and the bot answers', async () => {
  const { page } = visitor;
  await page.goto(`${base}/visitor`);
  for (const question of ['怎么退货', 'where is my order']) {
    const known = await answers(page);
    await say(page, question);
    await until(`an answer to ${question}`, async () => (await answers(page)) > known);
  }
  assert.equal(await status(page), 'bot');
});

test_('what a visitor types is shown as text, never run', async () => {
  const { page } = visitor;
  await say(page, SCRIPT);
  assert.equal(await page.getByTestId('transcript').locator('img').count(), 0);
});

test_('an input method that is still composing does not send', async () => {
  const { page } = visitor;
  const composer = page.getByTestId('composer');
  await composer.fill('ni');
  await composer.dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true });
  await composer.dispatchEvent('keydown', { key: 'Enter', shiftKey: true, bubbles: true });
  assert.equal(await composer.inputValue(), 'ni');
  await page.reload();
  await page.getByTestId('composer').waitFor();
  assert.equal(await page.getByTestId('composer').inputValue(), 'ni', 'the draft survives a reload');
  await page.getByTestId('composer').fill('');
});

test_('the visitor asks for a person and waits in the queue', async () => {
  const { page } = visitor;
  await until('the transcript is back', async () => (await messages(page)).length >= 5);
  await say(page, '转人工');
  await until('the queue', async () => ['queued', 'offered'].includes(await status(page)));
});

test_('an agent goes online, sees the offer and accepts it', async () => {
  const { page } = agent;
  await page.goto(`${base}/desk`);
  await page.getByTestId('agent-choice').first().click();
  await page.getByTestId('presence-online').click();
  await until('online', async () => (await page.getByTestId('presence-online').getAttribute('aria-pressed')) === 'true');
  await page.getByTestId('accept').first().click();
  await page.getByTestId('composer').waitFor();
  await until('the history', async () => (await messages(page)).some(([author, text]) => author === 'visitor' && text === '怎么退货'));
  const seen = await messages(page);
  assert.ok(
    seen.some(([author]) => author === 'bot'),
    'the bot’s answers are there',
  );
  assert.ok(
    seen.some(([author, text]) => author === 'visitor' && text === SCRIPT),
    'markup is shown as text',
  );
  assert.equal(await page.getByTestId('transcript').locator('img').count(), 0);
  await until('the visitor is told', async () => (await status(visitor.page)) === 'assigned');
});

test_('the agent answers and the visitor sees it; both ways', async () => {
  await say(agent.page, KEPT);
  await until('the answer', async () => (await messages(visitor.page)).some(([author, text]) => author === 'agent' && text === KEPT));
  await say(visitor.page, 'Great, thanks');
  await until('the visitor’s thanks', async () => (await messages(agent.page)).some(([author, text]) => author === 'visitor' && text === 'Great, thanks'));
  assert.equal(await agent.page.getByTestId('conversation').count(), 1);
});

test_('a lost network loses nothing', async () => {
  const { page, context } = visitor;
  await context.setOffline(true);
  // An open socket outlives "offline": the page is given a new start without a network for its socket.
  await page.getByTestId('composer').fill('written without a network');
  await page.getByTestId('composer').press('Enter');
  await context.setOffline(false);
  await until('it arrives', async () => (await messages(agent.page)).filter(([, text]) => text === 'written without a network').length === 1);
});

test_('a reload of the visitor’s page keeps the transcript', async () => {
  const { page } = visitor;
  const before = (await messages(page)).map(([author, text]) => [author, text]);
  await page.reload();
  await until('the same transcript', async () => {
    const now = (await messages(page)).map(([author, text]) => [author, text]);
    return JSON.stringify(now) === JSON.stringify(before);
  });
  assert.equal(await status(page), 'assigned');
});

test_('the desk is worked by keyboard', async () => {
  const { page } = agent;
  await page.getByTestId('chat').getByRole('log').focus();
  await page.keyboard.press('?');
  await page.getByTestId('help').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('help').waitFor({ state: 'detached' });
  const chosen = await page.getByTestId('chat').getAttribute('data-cv');
  await page.keyboard.press('Alt+ArrowDown');
  await until('the composer has the focus', async () => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'));
  assert.equal(await page.getByTestId('chat').getAttribute('data-cv'), chosen, 'with one conversation there is no other');
});

test_('the agent closes; the visitor is told and may begin anew', async () => {
  const { page } = agent;
  const cv = await page.getByTestId('chat').getAttribute('data-cv');
  await page.getByTestId('close').click();
  await page.getByTestId('close-confirm').click();
  await until('closed for the visitor', async () => (await status(visitor.page)) === 'closed');
  await visitor.page.getByTestId('again').waitFor();
  await until('closed at the desk', async () => (await page.getByTestId('composer').count()) === 0);
  agent.cv = cv;
  await page.getByTestId('presence-away').click();
  await until('away', async () => (await page.getByTestId('presence-away').getAttribute('aria-pressed')) === 'true');
});

test_('the boards show keywords, sentiment and scores, down to the messages', async () => {
  const boards = await person(browser, { lang: 'en' });
  const { page } = boards;
  await page.goto(`${base}/boards`);
  await page.getByTestId('keyword').first().waitFor();
  await until('sentiment is counted', async () => {
    const counts = await page
      .getByTestId('sentiment')
      .locator('li')
      .evaluateAll((rows) => rows.map((row) => Number(row.dataset.count)));
    return counts.length === 3 && counts.reduce((a, b) => a + b, 0) > 0;
  });
  await page.getByTestId('keyword').first().click();
  await page.getByTestId('mention').first().waitFor();
  await page.getByTestId('mention').first().locator('button').click();
  await page.getByTestId('drawer').getByTestId('message').first().waitFor();
  await page.getByTestId('drawer-back').click();
  await page.getByTestId('mention').first().waitFor();
  assert.deepEqual(await stumblingBlocks(page), []);
  await page.getByTestId('drawer-close').click();
  await page.getByTestId('score').first().waitFor();
  const own = page.locator(`[data-testid=score][data-cv="${agent.cv}"]`);
  await page.getByRole('button', { name: 'Newest' }).click();
  await own.waitFor();
  await own.click();
  await page.getByTestId('verdict').first().waitFor();
  await page.getByTestId('read-transcript').click();
  await until('the conversation', async () => (await messages(page)).some(([, text]) => text === SCRIPT));
  silent(boards);
  await boards.context.close();
});

for (const lang of ['en', 'zh']) {
  for (const dark of [false, true]) {
    test_(`everybody can use the pages: ${lang}, ${dark ? 'dark' : 'light'}`, async () => {
      const someone = await person(browser, { lang, dark, width: dark ? 390 : 1280 });
      const { page } = someone;
      for (const [path, there] of [
        ['/', 'to-visitor'],
        ['/visitor', 'suggestion'],
        ['/desk', 'agent-choice'],
        ['/boards', 'score'],
      ]) {
        await page.goto(base + path);
        await page.getByTestId(there).first().waitFor();
        assert.equal(await page.locator('html').getAttribute('lang'), lang === 'zh' ? 'zh-CN' : 'en');
        assert.deepEqual(await stumblingBlocks(page), [], path);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(overflow <= 0, `${path} is ${overflow} px too wide`);
      }
      silent(someone);
      await someone.context.close();
    });
  }
}

test_('conversations in use are usable by everybody too', async () => {
  for (const { page } of [visitor, agent]) {
    for (let turn = 0; turn < 2; turn += 1) {
      assert.deepEqual(await stumblingBlocks(page), [], page.url());
      await page.getByTestId('language').click();
    }
  }
});

test_('the language is remembered', async () => {
  const { page } = visitor;
  const first = await page.locator('html').getAttribute('lang');
  await page.getByTestId('language').click();
  await page.reload();
  await page.getByTestId('status').waitFor({ timeout: WAIT_MS });
  assert.notEqual(await page.locator('html').getAttribute('lang'), first);
});

test_('nothing went wrong in anybody’s console', () => silent(visitor, agent));
