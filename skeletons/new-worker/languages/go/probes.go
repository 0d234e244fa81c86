package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// By the names that OpenTelemetry's conventions give them.
var (
	duration = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Name: "messaging_process_duration_seconds",
		Help: "How long messages took; error_type is empty for those that are done",
	}, []string{"messaging_destination_name", "error_type"})
	dead = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "messaging_dead_letters_total",
		Help: "Messages that could not be handled",
	}, []string{"messaging_destination_name"})
)

// probes are what Kubernetes and Prometheus ask. Nobody else calls a worker.
func probes(isAlive func() bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.Handler())
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		status := "ok"
		if !isAlive() {
			status = "stuck"
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = fmt.Fprintf(w, `{"status":%q}`, status)
	})
	return mux
}

func serveProbes(port int64, isAlive func() bool) *http.Server {
	server := &http.Server{Addr: fmt.Sprintf(":%d", port), Handler: probes(isAlive), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the port cannot be opened", "error", err)
			os.Exit(1)
		}
	}()
	return server
}
