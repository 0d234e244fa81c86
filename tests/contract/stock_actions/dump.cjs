// Prints the stock actions as JSON, as GET /api/scaffolder/v2/actions of a backend with their modules would tell of them.
// Run as `node dump.cjs FOLDER`, where FOLDER/node_modules has the packages. Each module registers its actions with an extension
// point that collects them; whatever else it asks for is an object that takes every call and does nothing.
const { createRequire } = require('node:module');
const { join, resolve } = require('node:path');

const load = createRequire(join(resolve(process.argv[2]), 'package.json'));
const { ConfigReader } = load('@backstage/config');

const MODULES = ['bitbucket-cloud', 'cookiecutter', 'gitea', 'github', 'gitlab', 'notifications'];
const BUILT_IN = [
  'createCatalogRegisterAction', 'createCatalogWriteAction', 'createFetchCatalogEntityAction', 'createDebugLogAction',
  'createWaitAction', 'createFetchPlainAction', 'createFetchPlainFileAction', 'createFetchTemplateAction',
  'createFetchTemplateFileAction', 'createFilesystemDeleteAction', 'createFilesystemRenameAction',
  'createFilesystemReadDirAction',
];

const config = new ConfigReader({ integrations: {} });
const nothing = new Proxy(function nothing() {}, {
  get: (_, key) => (key === 'then' || key === Symbol.toPrimitive || key === Symbol.iterator ? undefined : nothing),
  apply: () => nothing,
});

async function actionsOf(feature) {
  const found = [];
  const actions = { addActions: (...given) => found.push(...given) };
  const extensionPoint = new Proxy(actions, { get: (target, key) => target[key] ?? nothing });
  for (const { init } of feature.getRegistrations()) {
    const given = {};
    for (const [name, ref] of Object.entries(init.deps)) {
      if (ref.id === 'scaffolder.actions') given[name] = extensionPoint;
      else if (ref.id === 'core.rootConfig') given[name] = config;
      else given[name] = nothing;
    }
    await init.func(given);
  }
  return found;
}

async function main() {
  const builtIn = load('@backstage/plugin-scaffolder-backend');
  const actions = BUILT_IN.map(name => builtIn[name]({ integrations: nothing, reader: nothing, catalog: nothing, config }));
  for (const name of MODULES) {
    actions.push(...(await actionsOf(load(`@backstage/plugin-scaffolder-backend-module-${name}`).default)));
  }
  const told = actions.map(action => ({ id: action.id, schema: action.schema ?? {}, supportsDryRun: !!action.supportsDryRun }));
  process.stdout.write(JSON.stringify(told));
}

main();
