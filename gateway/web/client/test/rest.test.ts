import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem, Rest } from '../src/rest.js';

test('a token that ran out is renewed once; a problem is told with its word; a page has what the machine wants', async () => {
  const asked: string[] = [];
  const fetch = (async (url: string, { headers }: { headers: { authorization: string } }) => {
    asked.push(`${url} ${headers.authorization}`);
    if (headers.authorization === 'Bearer old') return new Response('', { status: 401 });
    if (url.includes('cv_gone')) return Response.json({ code: 'not_found', detail: 'no such conversation' }, { status: 404 });
    return Response.json({ items: [{ id: 'ms_1', o: 2 }], next: 2, head: 9 });
  }) as unknown as typeof globalThis.fetch;
  const rest = new Rest(async (fresh) => (fresh ? 'new' : 'old'), 'https://a', fetch);
  const page = await rest.messages('cv_a', 1, 200);
  assert.deepEqual([page.messages.length, page.events, page.next, page.head], [1, [], 2, 9]);
  assert.deepEqual(asked, ['old', 'new'].map((token) => `https://a/v1/conversations/cv_a/messages?after=1&limit=200 Bearer ${token}`));
  await assert.rejects(rest.messages('cv_gone', 0, 1), (error: Problem) => error.code === 'not_found' && error.status === 404);
});
