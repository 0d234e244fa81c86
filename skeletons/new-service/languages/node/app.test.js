import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createApp } from './app.js';

const server = createApp();
let url;

before(async () => {
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

test('it says who it is', async () => {
  assert.deepEqual(await (await fetch(url)).json(), { service: '${{ values.name }}' });
});

test('it is healthy', async () => {
  const response = await fetch(`${url}/health`);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: 'ok' });
});
