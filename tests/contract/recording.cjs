// Loaded before the stock backend: writes what it measures to METRICS_FILE, twice a second, as
// {instruments: [{name, type, unit, attributes: [key, …]}], prometheus: [{name, type, labels: [key, …]}]}.
const fs = require('fs');
const { createRequire } = require('module');

const here = createRequire(`${process.cwd()}/index.js`);
const { metrics } = here('@opentelemetry/api');
const instruments = new Map();

function instrument(type) {
  return (name, options) => {
    if (!instruments.has(name)) {
      instruments.set(name, { name, type, unit: options?.unit ?? '', attributes: new Set(), callbacks: [] });
    }
    const known = instruments.get(name);
    const note = (_value, attributes) => Object.keys(attributes ?? {}).forEach(key => known.attributes.add(key));
    return {
      add: note,
      record: note,
      addCallback: callback => known.callbacks.push(() => callback({ observe: note })),
      removeCallback: () => {},
    };
  };
}

const meter = {
  createCounter: instrument('counter'),
  createUpDownCounter: instrument('updowncounter'),
  createHistogram: instrument('histogram'),
  createGauge: instrument('gauge'),
  createObservableGauge: instrument('gauge'),
  createObservableCounter: instrument('counter'),
  createObservableUpDownCounter: instrument('updowncounter'),
  addBatchObservableCallback: () => {},
  removeBatchObservableCallback: () => {},
};
metrics.setGlobalMeterProvider({ getMeter: () => meter });

async function write() {
  await Promise.allSettled([...instruments.values()].flatMap(({ callbacks }) => callbacks.map(async call => call())));
  const told = await here('prom-client').register.getMetricsAsJSON();
  const content = {
    instruments: [...instruments.values()].map(({ name, type, unit, attributes }) => ({
      name, type, unit, attributes: [...attributes],
    })),
    prometheus: told.map(({ name, type, values }) => ({
      name, type, labels: [...new Set(values.flatMap(value => Object.keys(value.labels ?? {})))],
    })),
  };
  fs.writeFileSync(`${process.env.METRICS_FILE}.new`, JSON.stringify(content));
  fs.renameSync(`${process.env.METRICS_FILE}.new`, process.env.METRICS_FILE);
}

setInterval(() => write().catch(() => {}), 500).unref();
