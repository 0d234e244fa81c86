package service;

import io.micrometer.observation.ObservationPredicate;
import java.util.Map;
import java.util.Set;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.server.observation.OpenTelemetryServerRequestObservationConvention;
import org.springframework.http.server.observation.ServerRequestObservationContext;

/** Metrics and traces of each request, by the names that OpenTelemetry's conventions give them. */
@Configuration(proxyBeanMethods = false)
class Telemetry {

    private static final Set<String> ASKED_BY_THE_PLATFORM = Set.of("/health", "/metrics");

    /** Where traces go: to the collector of the environment, and nowhere without one. */
    static Map<String, Object> exportSettings(Map<String, String> environment) {
        var traces = environment.getOrDefault("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "");
        var collector = environment.getOrDefault("OTEL_EXPORTER_OTLP_ENDPOINT", "");
        if (traces.isBlank() && collector.isBlank()) {
            return Map.of();
        }
        var endpoint = traces.isBlank() ? collector.replaceFirst("/*$", "/v1/traces") : traces;
        return Map.of("management.opentelemetry.tracing.export.otlp.endpoint", endpoint);
    }

    @Bean
    OpenTelemetryServerRequestObservationConvention names() {
        return new OpenTelemetryServerRequestObservationConvention();
    }

    /** What Kubernetes and Prometheus ask all the time says nothing about the service. */
    @Bean
    ObservationPredicate requestsOfCallers() {
        return (name, context) -> !(context instanceof ServerRequestObservationContext request
                && ASKED_BY_THE_PLATFORM.contains(request.getCarrier().getRequestURI()));
    }
}
