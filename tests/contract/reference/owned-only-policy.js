// A policy by which the tests tell that the permission backend was asked and that its answer counts: nobody creates locations,
// and people see and refresh the entities they own.
import { createBackendModule } from '@backstage/backend-plugin-api';
import { policyExtensionPoint } from '@backstage/plugin-permission-node/alpha';

const OWNERS_ONLY = ['catalog.entity.read', 'catalog.entity.refresh'];

const policy = {
  async handle({ permission }, user) {
    if (permission.name === 'catalog.location.create') return { result: 'DENY' };
    if (!OWNERS_ONLY.includes(permission.name)) return { result: 'ALLOW' };
    return {
      result: 'CONDITIONAL',
      pluginId: 'catalog',
      resourceType: 'catalog-entity',
      conditions: {
        rule: 'IS_ENTITY_OWNER',
        resourceType: 'catalog-entity',
        params: { claims: user.info.ownershipEntityRefs },
      },
    };
  },
};

export default createBackendModule({
  pluginId: 'permission',
  moduleId: 'owned-only-policy',
  register(env) {
    env.registerInit({
      deps: { policies: policyExtensionPoint },
      async init({ policies }) {
        policies.setPolicy(policy);
      },
    });
  },
});
