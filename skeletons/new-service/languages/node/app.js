// The HTTP endpoints.
import { createServer } from 'node:http';

const answers = {
  '/': { service: '${{ values.name }}' },
  // Answers while requests can be taken; Kubernetes asks.
  '/health': { status: 'ok' },
};

export function createApp() {
  return createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const found = request.method === 'GET' && Object.hasOwn(answers, pathname);
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ? answers[pathname] : { error: 'not found' }));
  });
}
