package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// settings are where messages come from, and how often they are tried.
type settings struct {
	redisURL    string
	username    string
	password    string
	queue       string
	group       string
	consumer    string
	retryAfter  time.Duration
	maxAttempts int64
	port        int64
}

// readSettings reads the environment; its error names the variable.
func readSettings(environment func(string) string) (settings, error) {
	found := settings{
		redisURL: or(environment("REDIS_URL"), "redis://localhost:6379/0"),
		username: environment("REDIS_USERNAME"),
		password: environment("REDIS_PASSWORD"),
		queue:    or(environment("QUEUE"), "${{ values.queue }}"),
		group:    "${{ values.name }}",
		consumer: environment("HOSTNAME"),
	}
	if found.consumer == "" {
		// Each pod is a consumer of its own.
		name, err := os.Hostname()
		if err != nil {
			return found, fmt.Errorf("HOSTNAME is empty: %w", err)
		}
		found.consumer = name
	}
	var seconds int64
	for name, number := range map[string]struct {
		place *int64
		value string
	}{
		"RETRY_SECONDS": {&seconds, "60"},
		"MAX_ATTEMPTS":  {&found.maxAttempts, "5"},
		"PORT":          {&found.port, "8080"},
	} {
		value := or(environment(name), number.value)
		parsed, err := strconv.ParseInt(value, 10, 32)
		if err != nil || parsed < 1 {
			return found, fmt.Errorf("%s is no number above 0: %s", name, value)
		}
		*number.place = parsed
	}
	found.retryAfter = time.Duration(seconds) * time.Second
	return found, nil
}

// deadLetters is where messages go that cannot be handled.
func (s settings) deadLetters() string { return s.queue + ":dead" }

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
