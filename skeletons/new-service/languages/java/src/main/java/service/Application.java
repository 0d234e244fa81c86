package service;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** The service ${{ values.name }}: {@code java -jar target/service.jar} serves on the port that the environment names. */
@SpringBootApplication
public class Application {

    public static void main(String[] arguments) {
        var application = new SpringApplication(Application.class);
        application.setDefaultProperties(Telemetry.exportSettings(System.getenv()));
        application.run(arguments);
    }
}
