// A plugin that passes requests on to other plugins, the way every Node plugin calls another one:
//   /api/neighbour/as-caller/<plugin>/<path>   on behalf of whoever calls
//   /api/neighbour/as-itself/<plugin>/<path>   as plugin:neighbour
// The answer is the other plugin's status and body. `/api/neighbour/whoami` tells how this backend understood its caller.
import { coreServices, createBackendPlugin } from '@backstage/backend-plugin-api';

const ROUTE = /^\/as-(caller|itself)\/([a-z-]+)(\/.*)$/;

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length > 0 ? Buffer.concat(chunks) : undefined;
}

function createHandler({ auth, httpAuth, discovery }) {
  return async function passOn(request, response, next) {
    try {
      const caller = await httpAuth.credentials(request);
      if (request.url === '/whoami') {
        response.json(caller.principal);
        return;
      }
      const [, whose, plugin, path] = request.url.match(ROUTE);
      const { token } = await auth.getPluginRequestToken({
        onBehalfOf: whose === 'caller' ? caller : await auth.getOwnServiceCredentials(),
        targetPluginId: plugin,
      });
      const answer = await fetch(`${await discovery.getBaseUrl(plugin)}${path}`, {
        method: request.method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: await readBody(request),
      });
      response.status(answer.status).type(answer.headers.get('content-type') ?? 'text/plain').send(await answer.text());
    } catch (error) {
      next(error);
    }
  };
}

export default createBackendPlugin({
  pluginId: 'neighbour',
  register(env) {
    env.registerInit({
      deps: {
        auth: coreServices.auth,
        discovery: coreServices.discovery,
        httpAuth: coreServices.httpAuth,
        router: coreServices.httpRouter,
      },
      async init({ router, ...services }) {
        router.use(createHandler(services));
      },
    });
  },
});
