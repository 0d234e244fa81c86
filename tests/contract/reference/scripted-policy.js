// A policy that reads its decisions, by permission name, from the file that STOCK_POLICY_FILE names, each time it is asked;
// what the file does not name is allowed. A test writes the file.
import { readFileSync } from 'node:fs';
import { createBackendModule } from '@backstage/backend-plugin-api';
import { policyExtensionPoint } from '@backstage/plugin-permission-node/alpha';

const policy = {
  async handle({ permission }) {
    const decisions = JSON.parse(readFileSync(process.env.STOCK_POLICY_FILE, 'utf8'));
    return decisions[permission.name] ?? { result: 'ALLOW' };
  },
};

export default createBackendModule({
  pluginId: 'permission',
  moduleId: 'scripted-policy',
  register(env) {
    env.registerInit({
      deps: { policies: policyExtensionPoint },
      async init({ policies }) {
        policies.setPolicy(policy);
      },
    });
  },
});
