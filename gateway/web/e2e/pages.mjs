// The pages as people use them, against a running node (CONVERSA_URL): a visitor asks, the bot answers, an agent takes over, the
// boards show it. Nothing may be lost, nothing may run as script, and everybody must be able to use it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { base, launch, messages, person, say, silent, stumblingBlocks, until, WAIT_MS } from './browser.mjs';
import { wire } from './wire.mjs';

const SCRIPT = '<img src=x onerror="alert(1)">';
/** Three red points. */
const PICTURE = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAMAAAABCAIAAACUgoPjAAAADUlEQVR4nGP4z8AAQQAR+AL+4+XvtgAAAABJRU5ErkJggg==', 'base64');
const KEPT = 'Das läuft über 顺丰, thank you!';

let browser;
/** The visitor's way to the node, which can be cut. */
let way;
let visitor;
let agent;

before(async () => {
  browser = await launch();
  way = await wire(base);
  visitor = await person(browser, { lang: 'en' });
  agent = await person(browser, { lang: 'en' });
});

after(async () => {
  await browser?.close();
  await way?.close();
});

/** One step of the story; after one that failed the others have nothing to stand on. */
let failed = null;
const test_ = (name, run) =>
  test(name, { timeout: 120_000 }, async () => {
    if (failed) throw new Error(`a step before this one failed: ${failed}`);
    try {
      await run();
    } catch (error) {
      failed = name;
      throw error;
    }
  });
const status = (page) => page.getByTestId('status').getAttribute('data-phase');
const answers = async (page) => (await messages(page)).filter(([author]) => author === 'bot').length;

test_('a visitor asks in Chinese and in English and the bot answers', async () => {
  const { page } = visitor;
  await page.goto(`${way.base}/visitor`);
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

test_('who waits sees the place, and may stop waiting', async () => {
  const { page } = visitor;
  await until('the place', async () => (await page.getByTestId('position').getAttribute('data-position')) === '1');
  assert.match(await page.getByTestId('position').innerText(), /you are next/);
  assert.deepEqual(await stumblingBlocks(page), [], 'waiting');
  await page.getByTestId('leave').focus();
  await page.keyboard.press('Enter');
  await until('the assistant again', async () => (await status(page)) === 'bot');
  assert.equal(await page.getByTestId('position').count(), 0);
  await page.getByTestId('human').click();
  await until('the queue again', async () => ['queued', 'offered'].includes(await status(page)));
  await page.reload();
  await until('the place after a reload', async () => (await page.getByTestId('position').count()) === 1);
});

test_('an agent goes online, sees the offer and accepts it', async () => {
  const { page } = agent;
  await page.goto(`${base}/desk`);
  await page.getByTestId('agent-choice').first().click();
  await page.getByTestId('presence-online').click();
  await until('online', async () => (await page.getByTestId('presence-online').getAttribute('aria-pressed')) === 'true');
  agent.cv = await visitor.page.evaluate(() => localStorage.getItem('conversa.visitor.cv'));
  await page.locator(`[data-testid=offer][data-cv="${agent.cv}"]`).getByTestId('accept').click();
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
  assert.equal(await agent.page.locator(`[data-testid=conversation][data-cv="${agent.cv}"]`).count(), 1);
});

test_('a visitor sends a picture and the agent sees it, and the other way round', async () => {
  const chosen = await visitor.page.getByTestId('composer').inputValue();
  const ways = [
    [visitor.page, agent.page, 'visitor', 'box.png'],
    [agent.page, visitor.page, 'agent', '说明.png'],
  ];
  for (const [from, to, author, name] of ways) {
    await from.getByTestId('attach-input').setInputFiles({ name, mimeType: 'image/png', buffer: PICTURE });
    for (const page of [from, to]) {
      const shown = page.locator(`[data-testid=message][data-author=${author}][data-state=sent] img`);
      await until(`${name} at ${page.url()}`, async () => (await shown.count()) === 1 && (await shown.evaluate((img) => img.complete && img.naturalWidth)) === 3);
      assert.equal(await shown.getAttribute('alt'), name, 'its name is read out');
    }
    await until('nothing is left on its way', async () => (await from.getByTestId('upload').count()) === 0);
  }
  assert.equal(await visitor.page.getByTestId('composer').inputValue(), chosen);

  // A picture that comes when the transcript is there already moves its end, and the reader with it.
  const left = () => visitor.page.getByTestId('transcript').evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
  await until('the end is in view', async () => (await left()) < 80);

  // What browsers do not show is saved by keyboard, as it was sent.
  await agent.page.getByTestId('attach-input').setInputFiles({ name: 'terms.txt', mimeType: 'text/plain', buffer: Buffer.from('Größe XL') });
  const file = visitor.page.getByTestId('file');
  await file.waitFor();
  assert.match(await file.innerText(), /terms\.txt.*byte/s);
  const saved = visitor.page.waitForEvent('download');
  await file.focus();
  await visitor.page.keyboard.press('Enter');
  const download = await saved;
  assert.equal(download.suggestedFilename(), 'terms.txt');
  assert.equal(readFileSync(await download.path(), 'utf8'), 'Größe XL');
  assert.deepEqual(await stumblingBlocks(visitor.page), [], 'a transcript with files');
});

test_('a file is pasted or dropped; one that is not taken says what to do and goes', async () => {
  const { page, trouble } = visitor;
  const known = trouble.length;
  const bring = (type, name, mime, text) =>
    page.getByTestId('composer').evaluate(
      (field, [type, name, mime, text]) => {
        const data = new DataTransfer();
        data.items.add(new File([text], name, { type: mime }));
        const event = type === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }) : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });
        field.dispatchEvent(event);
      },
      [type, name, mime, text],
    );
  await bring('paste', 'pasted.txt', 'text/plain', 'one');
  await bring('drop', 'dropped.txt', 'text/plain', 'two');
  for (const name of ['pasted.txt', 'dropped.txt']) {
    await until(name, async () => (await messages(agent.page)).some(([author, text]) => author === 'visitor' && text.includes(name)));
  }
  await bring('drop', 'page.html', 'text/html', '<script>alert(1)</script>');
  const failed = page.locator('[data-testid=upload][data-state=failed]');
  await failed.waitFor();
  assert.match(await failed.innerText(), /not taken\. Please send a picture/);
  assert.deepEqual(await stumblingBlocks(page), [], 'a file that failed');
  await failed.getByTestId('upload-cancel').focus();
  await page.keyboard.press('Enter');
  await until('it is gone', async () => (await failed.count()) === 0);
  assert.ok(!(await messages(agent.page)).some(([, text]) => text.includes('page.html')));
  // The browser itself reports the refusal; nothing else may have gone wrong.
  const other = trouble.splice(known).filter((line) => !/status of 400/.test(line));
  assert.deepEqual(other, []);
});

test_('a lost network loses nothing and doubles nothing', async () => {
  const { page, trouble } = visitor;
  const known = trouble.length;
  const count = async (page, text) => (await messages(page)).filter(([, said, state]) => said === text && state === 'sent').length;

  way.cut();
  await page.getByTestId('notice').waitFor();
  for (const text of ['written without a network', 'and one more']) {
    await page.getByTestId('composer').fill(text);
    await page.getByTestId('composer').press('Enter');
  }
  assert.equal((await messages(page)).filter(([, , state]) => state === 'sending').length, 2);
  await say(agent.page, 'said while you were away');
  way.mend();
  await until('both arrive', async () => (await count(agent.page, 'and one more')) === 1);

  // The node takes the message, but its answer is lost: the same key is sent again and nothing is doubled.
  way.deafen();
  await page.getByTestId('composer').fill('heard, but not confirmed');
  await page.getByTestId('composer').press('Enter');
  await until('the agent has it', async () => (await count(agent.page, 'heard, but not confirmed')) === 1);
  assert.equal(await count(page, 'heard, but not confirmed'), 0);
  way.cut();
  way.mend();
  await until('it is confirmed', async () => (await count(page, 'heard, but not confirmed')) === 1);
  await page.getByTestId('notice').waitFor({ state: 'detached' });

  const told = async ({ page }) => (await messages(page)).map(([author, text]) => `${author}: ${text}`);
  await until('both see the same', async () => JSON.stringify(await told(visitor)) === JSON.stringify(await told(agent)));
  const texts = await told(visitor);
  assert.equal(new Set(texts).size, texts.length, 'nothing is doubled');
  assert.ok(texts.indexOf('visitor: written without a network') < texts.indexOf('visitor: and one more'), 'in order');
  // The browser itself says that it could not connect; nothing else may have gone wrong.
  const other = trouble.splice(known).filter((line) => !/net::ERR_|WebSocket connection to/.test(line));
  assert.deepEqual(other, []);
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
  const steps = await page.getByTestId('conversation').count();
  for (let step = 0; step < steps; step += 1) {
    await page.keyboard.press('Alt+ArrowDown');
    await until('the composer has the focus', async () => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'));
  }
  assert.equal(await page.getByTestId('chat').getAttribute('data-cv'), agent.cv, 'once round the list');
});

test_('a colleague takes it over, asks back, and gives it back', async () => {
  const colleague = await person(browser, { lang: 'en' });
  const { page } = colleague;
  const offer = (page) => page.locator(`[data-testid=offer][data-cv="${agent.cv}"]`).getByTestId('accept');
  const hand = async (page, to, how) => {
    await page.getByTestId('hand').click();
    await page.getByTestId('hand-to').locator(`option[value="agent:${to}"]:not([disabled])`).waitFor({ state: 'attached' });
    await page.getByTestId('hand-to').selectOption(`agent:${to}`);
    await page.getByTestId('hand-summary').fill('has asked for a refund');
    assert.deepEqual(await stumblingBlocks(page), [], 'the dialog');
    await page.getByTestId(how).click();
  };
  await page.goto(`${base}/desk`);
  await page.getByTestId('agent-choice').last().click();
  await page.getByTestId('presence-online').click();
  await until('online', async () => (await page.getByTestId('presence-online').getAttribute('aria-pressed')) === 'true');

  await hand(agent.page, 'ag_tom', 'transfer');
  await agent.page.getByTestId('second').waitFor();
  await offer(page).click();
  await page.getByTestId('hand').waitFor();
  await until('the agent has it no more', async () => (await agent.page.locator(`[data-testid=conversation][data-cv="${agent.cv}"]`).count()) === 0);

  await hand(page, 'ag_mei', 'consult');
  await offer(agent.page).click();
  await agent.page.getByTestId('consultant').waitFor();
  await say(agent.page, 'between us');
  await until('the colleague reads it', async () => (await messages(page)).some(([, text]) => text === 'between us'));
  assert.ok(!(await messages(visitor.page)).some(([, text]) => text === 'between us'), 'the visitor does not');
  assert.deepEqual(await stumblingBlocks(page), [], 'the desk of who consults');
  await page.getByTestId('complete').click();
  await agent.page.getByTestId('hand').waitFor();
  await page.getByTestId('presence-away').click();
  await until('away', async () => (await page.getByTestId('presence-away').getAttribute('aria-pressed')) === 'true');
  silent(colleague);
  await colleague.context.close();
});

test_('the agent sees the customer, merges another visitor and undoes it', async () => {
  const { page } = agent;
  await page.setViewportSize({ width: 1400, height: 900 });
  const other = await person(browser, { lang: 'en' });
  await other.page.goto(`${base}/visitor`);
  await other.page.getByTestId('composer').waitFor();
  const opened = other.page.evaluate(() => Object.values(localStorage).concat(Object.values(sessionStorage)).join(' '));
  const id = (await opened).match(/vi_[a-z0-5]{16}/)?.[0];
  assert.ok(id, 'the page keeps who the visitor is');
  await say(other.page, 'hello');
  await page.getByTestId('identity').waitFor();
  await until('the bot has answered: there is such a visitor', async () => (await messages(other.page)).length > 1);
  await page.getByTestId('merge-with').fill(id);
  await page.getByTestId('merge').click();
  await until('merged', async () => (await page.getByTestId('identity').count()) === 2);
  assert.deepEqual(await stumblingBlocks(page), [], 'the panel');
  await page.getByTestId('undo').click();
  await until('undone', async () => (await page.getByTestId('identity').count()) === 1);
  await other.context.close();
});

test_('a supervisor sees it on the wall, looks in, whispers, joins in, takes over and gives it back', async () => {
  const boss = await person(browser, { lang: 'en' });
  const { page } = boss;
  const tile = (name) => page.locator(`[data-testid=tile][data-tile="${name}"] .value`).innerText();
  await page.goto(`${base}/wall`);
  await until('one is in progress', async () => (await tile('in-progress')) === '1');
  assert.match(await tile('agents'), /1 online/);
  const line = page.locator(`[data-testid=line][data-cv="${agent.cv}"]`);
  await line.getByTestId('look').focus();
  await page.keyboard.press('Enter');
  await until('the history', async () => (await messages(page)).some(([author, text]) => author === 'visitor' && text === '怎么退货'));
  assert.deepEqual(await stumblingBlocks(page), [], 'the wall in use');

  await page.getByTestId('composer').fill('offer a refund');
  await page.getByTestId('composer').press('Enter');
  await until('the agent reads the whisper', async () => (await messages(agent.page)).some(([, text]) => text === 'offer a refund'));
  assert.ok(!(await messages(visitor.page)).some(([, text]) => text === 'offer a refund'), 'the visitor does not');

  await page.getByTestId('speak').click();
  await until('joined in', async () => (await page.getByTestId('speak').getAttribute('aria-pressed')) === 'true');
  await say(page, 'good day, I look after this desk');
  await until('the visitor reads it', async () => (await messages(visitor.page)).some(([, text]) => text === 'good day, I look after this desk'));

  await line.getByTestId('take-over').click();
  await until('the agent has it no more', async () => (await agent.page.locator(`[data-testid=conversation][data-cv="${agent.cv}"]`).count()) === 0);
  await page.getByTestId('watched').getByTestId('close').waitFor();
  await page.getByTestId('line').locator('option[value=ag_mei]').first().waitFor({ state: 'attached' });
  await line.getByTestId('assign').selectOption('ag_mei');
  await until('the agent has it again', async () => (await agent.page.locator(`[data-testid=conversation][data-cv="${agent.cv}"]`).count()) === 1);
  await page.locator('[data-testid=queue][data-queue=support]').getByTestId('pause').click();
  await until('paused', async () => (await page.locator('[data-testid=queue][data-queue=support]').getByTestId('pause').getAttribute('aria-pressed')) === 'true');
  await page.locator('[data-testid=queue][data-queue=support]').getByTestId('pause').click();
  await until('it goes on', async () => (await page.locator('[data-testid=queue][data-queue=support]').getByTestId('pause').getAttribute('aria-pressed')) === 'false');
  await page.getByTestId('unlook').click();
  silent(boss);
  await boss.context.close();
  await agent.page.locator(`[data-testid=conversation][data-cv="${agent.cv}"]`).click();
});

test_('the agent closes; the visitor is told and may begin anew', async () => {
  const { page } = agent;
  await page.getByTestId('close').click();
  await page.getByTestId('close-confirm').click();
  await until('closed for the visitor', async () => (await status(visitor.page)) === 'closed');
  await visitor.page.getByTestId('again').waitFor();
  await until('closed at the desk', async () => (await page.getByTestId('composer').count()) === 0);
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
        ['/wall', 'queue'],
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

test_('after a reload the language and the closed conversation are still there', async () => {
  const { page } = visitor;
  const first = await page.locator('html').getAttribute('lang');
  const before = await messages(page);
  await page.getByTestId('language').click();
  await page.reload();
  await page.getByTestId('status').waitFor({ timeout: WAIT_MS });
  assert.notEqual(await page.locator('html').getAttribute('lang'), first);
  await until('closed as before', async () => (await status(page)) === 'closed');
  await until('the transcript', async () => (await messages(page)).length === before.length);
});

test_('nothing went wrong in anybody’s console', () => silent(visitor, agent));
