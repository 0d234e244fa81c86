// A stock Backstage backend. Of our own are only the neighbour, a plugin that calls other plugins for the tests, an incremental
// provider of nothing, without which that module has no tables, and, where a test asks for it, a permission policy that does not
// allow everything.
import { createBackend } from '@backstage/backend-defaults';

const backend = createBackend();
backend.add(import('@backstage/plugin-auth-backend'));
backend.add(import('@backstage/plugin-auth-backend-module-guest-provider'));
backend.add(import('@backstage/plugin-permission-backend'));
backend.add(
  process.env.STOCK_POLICY
    ? import(`./${process.env.STOCK_POLICY}-policy.js`)
    : import('@backstage/plugin-permission-backend-module-allow-all-policy'),
);
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(import('@backstage/plugin-catalog-backend-module-incremental-ingestion'));
backend.add(import('@backstage/plugin-catalog-backend-module-logs'));
backend.add(import('@backstage/plugin-catalog-backend-module-scaffolder-entity-model'));
backend.add(import('@backstage/plugin-catalog-backend-module-unprocessed'));
backend.add(import('@backstage/plugin-scaffolder-backend'));
backend.add(import('./neighbour.js'));
backend.add(import('./nothing.js'));
backend.start();
