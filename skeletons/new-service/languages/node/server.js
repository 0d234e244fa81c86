// Serves on the port that the environment names: `npm start`.
import { createApp } from './app.js';
import { sendTraces } from './telemetry.js';

const flush = sendTraces();
const app = createApp({ logger: { level: process.env.LOG_LEVEL ?? 'info' } });

// Running requests are finished first; what takes longer than Kubernetes waits is cut off.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    setTimeout(() => process.exit(1), 20_000).unref();
    await app.close();
    await flush().catch(error => app.log.warn(error, 'the last traces were not sent'));
    process.exit(0);
  });
}

await app.listen({ host: '0.0.0.0', port: Number(process.env.PORT ?? 8080) });
