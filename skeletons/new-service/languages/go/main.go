// The service ${{ values.name }}.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	logAs(os.Getenv("LOG_LEVEL"))
	if err := serve(); err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// serve answers requests until a signal comes; those that run are finished first.
func serve() error {
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	flush, err := sendTraces()
	if err != nil {
		return err
	}
	handler, err := observed(routes())
	if err != nil {
		return err
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server := &http.Server{Addr: ":" + port, Handler: handler, ReadHeaderTimeout: 5 * time.Second}

	finished := make(chan error, 1)
	go func() {
		<-stopped.Done()
		limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		err := server.Shutdown(limit)
		flush()
		finished <- err
	}()

	slog.Info("listening", "port", port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}

// routes are the HTTP endpoints.
func routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"service": "${{ values.name }}"})
	})
	// Answers while requests can be taken; Kubernetes asks.
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"status": "ok"})
	})
	return mux
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Error("the answer could not be written", "error", err)
	}
}

// logAs writes lines of JSON, from a level on: debug, info, warn or error.
func logAs(level string) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		least = slog.LevelInfo
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: least})))
}
