// The worker ${{ values.name }}.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var level slog.Level
	if err := level.UnmarshalText([]byte(os.Getenv("LOG_LEVEL"))); err == nil {
		slog.SetLogLoggerLevel(level)
	}
	known, err := readSettings(os.Getenv)
	if err != nil {
		slog.Error("the environment is wrong", "error", err)
		os.Exit(2)
	}
	client, err := connect(known)
	if err != nil {
		slog.Error("the environment is wrong", "error", err)
		os.Exit(2)
	}
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	queue := newQueue(client, known)
	work := newLoop(queue, handle, known)
	probes := serveProbes(known.port, work.isAlive)
	slog.Info("taking messages", "queue", known.queue, "consumer", known.consumer, "group", known.group)
	work.run(stopped)
	if err := queue.leave(context.Background()); err != nil {
		slog.Warn("the queue does not answer", "error", err)
	}
	_ = probes.Close()
	_ = client.Close()
	slog.Info("stopped")
}
