// Serves on the port that the environment names: `npm start`.
import { createApp } from './app.js';

const port = Number(process.env.PORT ?? 8080);
const server = createApp().listen(port, () => console.log(`listening on ${port}`));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(() => process.exit(0));
    setTimeout(() => process.exit(1), 20_000).unref();
  });
}
