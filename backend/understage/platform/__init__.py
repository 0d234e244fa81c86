"""What every part of the service stands on: database, HTTP, telemetry, logging, schedules. Knows nothing of the two roads."""
