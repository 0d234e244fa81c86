import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createApp } from './app.js';

const app = createApp();
app.get('/broken/:id', async () => {
  throw new Error('broken');
});
after(() => app.close());

test('it says who it is', async () => {
  assert.deepEqual((await app.inject('/')).json(), { service: '${{ values.name }}' });
});

test('it is healthy', async () => {
  const response = await app.inject('/health');
  assert.equal(response.statusCode, 200);
  assert.deepEqual(response.json(), { status: 'ok' });
});

test('requests are counted by route and status', async () => {
  await app.inject('/nothing/here');
  await app.inject('/broken/7');
  await app.inject({ method: 'TRACE', url: '/' });
  const response = await app.inject('/metrics');
  const counts = response.body.split('\n').filter(line => line.startsWith('http_server_request_duration_seconds_count'));
  const count = (method, route, status) =>
    'http_server_request_duration_seconds_count' +
    `{http_request_method="${method}",http_route="${route}",http_response_status_code="${status}"} 1`;
  assert.deepEqual(counts.sort(), [
    count('GET', '', 404),
    count('GET', '/', 200),
    count('GET', '/broken/:id', 500),
    count('TRACE', '', 404),
  ].sort());
});
