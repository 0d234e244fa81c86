// The stock CatalogClient against one catalog: calls what standard input lists, prints what each call gave.
//   in:  {"baseUrl": …, "token": …, "calls": [{"method", "arguments", "take"?}, …]}
//   out: [{"value": …} | {"error": {name, message}}, …], `undefined` as {"undefined": true}; streams as one array of their items.
// Every request the client makes is listed beside, as {method, path}, path without its query.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const require = createRequire(`${process.cwd()}/`);
const { CatalogClient, CATALOG_FILTER_EXISTS } = require('@backstage/catalog-client');

const { baseUrl, token, calls } = JSON.parse(await text(process.stdin));
let requests = [];
const fetchApi = {
  fetch(url, options = {}) {
    requests.push({ method: options.method ?? 'GET', path: new URL(url).pathname });
    return fetch(url, options);
  },
};
const client = new CatalogClient({ discoveryApi: { getBaseUrl: async () => baseUrl }, fetchApi });

// `"$exists$"` stands for the symbol that JSON cannot hold.
function revive(value) {
  if (value === '$exists$') return CATALOG_FILTER_EXISTS;
  if (Array.isArray(value)) return value.map(revive);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
  }
  return value;
}

const show = value => (value === undefined ? { undefined: true } : value);

async function call({ method, arguments: sent }) {
  const result = client[method](...sent.map(revive), { token });
  if (!result[Symbol.asyncIterator]) return await result;
  const items = [];
  for await (const page of result) items.push(...page);
  return items;
}

const answers = [];
for (const asked of calls) {
  requests = [];
  try {
    const value = await call(asked);
    const items = value?.items?.map(show);
    answers.push({ value: items ? { ...value, items } : show(value), requests });
  } catch (error) {
    answers.push({ error: { name: error.name, message: error.message }, requests });
  }
}
console.log(JSON.stringify(answers));
