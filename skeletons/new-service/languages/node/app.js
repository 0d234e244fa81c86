// The HTTP endpoints.
import Fastify from 'fastify';
import { observe } from './telemetry.js';

export function createApp(options = {}) {
  const app = Fastify(options);
  observe(app);

  app.get('/', () => ({ service: '${{ values.name }}' }));

  // Answers while requests can be taken; Kubernetes asks.
  app.get('/health', { config: { observed: false }, logLevel: 'warn' }, () => ({ status: 'ok' }));

  return app;
}
