// An incremental provider of one empty page a day.
import { createBackendModule } from '@backstage/backend-plugin-api';
import { incrementalIngestionProvidersExtensionPoint } from '@backstage/plugin-catalog-backend-module-incremental-ingestion';

const provider = {
  getProviderName: () => 'nothing',
  around: burst => burst({}),
  next: async () => ({ done: true, entities: [] }),
};
const options = { burstInterval: { hours: 1 }, burstLength: { minutes: 1 }, restLength: { days: 1 } };

export default createBackendModule({
  pluginId: 'catalog',
  moduleId: 'nothing',
  register(env) {
    env.registerInit({
      deps: { providers: incrementalIngestionProvidersExtensionPoint },
      async init({ providers }) {
        providers.addProvider({ provider, options });
      },
    });
  },
});
