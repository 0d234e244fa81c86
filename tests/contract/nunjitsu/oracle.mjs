// Answers, for each line of JSON on standard input, what nunjitsu makes of the cases in it.
// Started by conftest.py with the folder of node_modules as argument; ends when its input does.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.argv[2], 'package.json'));
const { createTemplateRenderer } = require('nunjitsu');

// The same as `host.py` gives to the Python side.
const filters = {
  echo: (input, ...rest) => [tag(input), ...rest.map(tag)].join(' '),
  boom: () => { throw new Error('boom'); },
};
const globals = {
  always: () => true,
  failure: () => false,
  total: (...numbers) => numbers.reduce((sum, number) => sum + number, 0),
  boomed: () => { throw new Error('boomed'); },
  host: { name: 'understage', ports: [80, 443] },
};

// JSON that tells undefined, NaN and the infinities apart from null.
function tag(value) {
  if (value === undefined) return 'undefined';
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return number(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${Array.from(value, tag).join(',')}]`;
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${tag(item)}`).join(',')}}`;
}

function number(value) {
  if (!Number.isFinite(value)) return String(value);
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toFixed() : value.toExponential(16);
}

const renderers = new Map();
function renderer({ cookiecutter, trim, lstrip }) {
  const key = `${cookiecutter}${trim}${lstrip}`;
  if (!renderers.has(key)) {
    renderers.set(key, createTemplateRenderer({
      allowRegexExecution: true,
      cookiecutterCompat: cookiecutter,
      trimBlocks: trim,
      lstripBlocks: lstrip,
      filters,
      globals,
    }));
  }
  return renderers.get(key);
}

function answer(item) {
  try {
    const engine = renderer(item);
    // Random templates may count on ever longer text up to the limit of work, which takes nunjitsu minutes: cut it short.
    const options = item.construct === 'random' ? { limits: { workUnits: 2000 } } : {};
    return item.text
      ? tag(engine.render(item.template, item.context, options))
      : tag(engine.renderValue(item.template, item.context, options));
  } catch (error) {
    return `error: ${error.message}`;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(JSON.parse(line).map(answer))}\n`);
}
