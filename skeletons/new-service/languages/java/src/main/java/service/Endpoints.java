package service;

import java.util.Map;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** The HTTP endpoints; {@code application.yaml} says where health and metrics are answered. */
@RestController
class Endpoints {

    @GetMapping("/")
    Map<String, String> index() {
        return Map.of("service", "${{ values.name }}");
    }
}
