import { expect, test } from 'vitest';
import { loadConfig, readConfig } from '../src/config';
import { renderFailure, renderPage } from '../src/page';

const answer = (body: string, status = 200) => async () => new Response(body, { status });

test('the page says what it is and where', () => {
  const root = document.createElement('main');
  renderPage(root, { environment: 'staging' });
  expect(root.querySelector('h1')?.textContent).toBe('${{ values.name }}');
  expect(root.querySelector('p')?.textContent).toBe('Environment: staging');
});

test('what the configuration says is text', () => {
  const root = document.createElement('main');
  renderPage(root, { environment: '<img src=x onerror=alert(1)>' });
  expect(root.querySelector('img')).toBeNull();
});

test('a page without its configuration says so', () => {
  const root = document.createElement('main');
  renderFailure(root);
  expect(root.textContent).toContain('could not be loaded');
});

test('the configuration is read', async () => {
  expect(await loadConfig(answer('{"environment": "production"}'))).toEqual({ environment: 'production' });
  await expect(loadConfig(answer('', 503))).rejects.toThrow('/config.json: 503');
});

test.each([null, [], {}, { environment: 1 }])('%j is no configuration', value => {
  expect(() => readConfig(value)).toThrow('names no environment');
});
