// Metrics and traces of each request, by the names that OpenTelemetry's conventions give them.
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { setTimeout } from 'node:timers/promises';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

// Traces go to the collector of the environment, and nowhere without one. The result sends the last ones.
export function sendTraces(environment = process.env) {
  if (!environment.OTEL_EXPORTER_OTLP_ENDPOINT && !environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) {
    return async () => {};
  }
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': '${{ values.name }}' }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  return () => Promise.race([provider.shutdown(), rejectAfter(5000)]);
}

async function rejectAfter(milliseconds) {
  await setTimeout(milliseconds, null, { ref: false });
  throw new Error(`not within ${milliseconds} ms`);
}

// Adds /metrics, and observes all routes but those that say `config: { observed: false }`.
export function observe(app) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const duration = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'How long requests took',
    labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    registers: [registry],
  });
  const tracer = trace.getTracer('${{ values.name }}');
  const spans = new WeakMap();
  const isObserved = request => request.routeOptions.config.observed !== false;
  // The route, not the path, of which there are as many as callers think of.
  const routeOf = request => request.routeOptions.url ?? '';

  app.addHook('onRequest', (request, reply, done) => {
    if (!isObserved(request)) {
      done();
      return;
    }
    const caller = propagation.extract(context.active(), request.headers);
    const span = tracer.startSpan(
      `${request.method} ${routeOf(request)}`.trim(),
      {
        kind: SpanKind.SERVER,
        attributes: {
          'http.request.method': request.method,
          'http.route': routeOf(request),
          'url.path': request.url.split('?', 1)[0],
          'url.scheme': request.protocol,
        },
      },
      caller,
    );
    spans.set(request, span);
    // What the handler does is a part of the span.
    context.with(trace.setSpan(caller, span), done);
  });

  app.addHook('onError', async (request, reply, error) => {
    spans.get(request)?.recordException(error);
  });

  app.addHook('onResponse', async (request, reply) => {
    if (!isObserved(request)) {
      return;
    }
    duration.observe(
      {
        http_request_method: request.method,
        http_route: routeOf(request),
        http_response_status_code: reply.statusCode,
      },
      reply.elapsedTime / 1000,
    );
    const span = spans.get(request);
    span.setAttribute('http.response.status_code', reply.statusCode);
    if (reply.statusCode >= 500) {
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  });

  // What Prometheus reads.
  app.get('/metrics', { config: { observed: false }, logLevel: 'warn' }, async (request, reply) => {
    reply.type(registry.contentType);
    return registry.metrics();
  });
}
