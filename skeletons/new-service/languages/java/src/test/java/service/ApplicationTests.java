package service;

import static org.hamcrest.Matchers.allOf;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.not;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.get;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.request;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.content;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.status;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.webmvc.test.autoconfigure.AutoConfigureMockMvc;
import org.springframework.http.HttpMethod;
import org.springframework.test.web.servlet.MockMvc;

@SpringBootTest
@AutoConfigureMockMvc
class ApplicationTests {

    private static final String ENDPOINT = "management.opentelemetry.tracing.export.otlp.endpoint";

    @Autowired
    private MockMvc client;

    @Test
    void itSaysWhoItIs() throws Exception {
        client.perform(get("/"))
                .andExpect(status().isOk())
                .andExpect(content().json("{\"service\": \"${{ values.name }}\"}"));
    }

    @Test
    void itIsHealthy() throws Exception {
        client.perform(get("/health")).andExpect(status().isOk()).andExpect(content().json("{\"status\": \"UP\"}"));
    }

    @Test
    void requestsAreCountedByRouteAndStatus() throws Exception {
        client.perform(get("/"));
        client.perform(get("/nothing/here"));
        client.perform(request(HttpMethod.valueOf("BREW"), "/"));
        client.perform(get("/metrics"))
                .andExpect(status().isOk())
                .andExpect(content().string(allOf(
                        containsString("http_server_request_duration_seconds_count{"),
                        containsString("http_route=\"/\""),
                        not(containsString("BREW")),
                        not(containsString("/nothing")))));
    }

    @Test
    void tracesGoWhereTheEnvironmentSays() {
        assertEquals(Map.of(), Telemetry.exportSettings(Map.of()));
        assertEquals(
                Map.of(ENDPOINT, "http://collector:4318/v1/traces"),
                Telemetry.exportSettings(Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")));
        assertEquals(
                Map.of(ENDPOINT, "http://traces:4318/own"),
                Telemetry.exportSettings(Map.of(
                        "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318",
                        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/own")));
    }
}
