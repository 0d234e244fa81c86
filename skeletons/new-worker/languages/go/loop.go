package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

const pause = time.Second

// source is where messages come from; *queue is one.
type source interface {
	prepare(context.Context) error
	take(context.Context) (*message, error)
	done(context.Context, *message) error
	bury(context.Context, *message, string) error
}

// loop takes messages and has them handled, one at a time.
type loop struct {
	queue  source
	handle func(context.Context, message) error
	known  settings
	turned atomic.Int64
}

func newLoop(queue source, handle func(context.Context, message) error, known settings) *loop {
	made := &loop{queue: queue, handle: handle, known: known}
	made.turned.Store(time.Now().UnixNano())
	return made
}

// isAlive is false when a message takes so long that others may take it. A queue that does not answer is no reason to
// start again, so it does not count.
func (l *loop) isAlive() bool {
	return time.Since(time.Unix(0, l.turned.Load())) < l.known.retryAfter
}

// run works until `stopped` is done; the message at hand is finished first.
func (l *loop) run(stopped context.Context) {
	isReady := false
	for stopped.Err() == nil {
		l.turned.Store(time.Now().UnixNano())
		if err := l.turn(&isReady); err != nil {
			// Also when the queue was emptied, and the group with it.
			isReady = false
			slog.Warn("the queue does not answer", "error", err)
			select {
			case <-stopped.Done():
			case <-time.After(pause):
			}
		}
	}
}

func (l *loop) turn(isReady *bool) error {
	// Not the context of the stop: what was begun is finished.
	ctx := context.Background()
	if !*isReady {
		if err := l.queue.prepare(ctx); err != nil {
			return err
		}
		*isReady = true
	}
	found, err := l.queue.take(ctx)
	if err != nil || found == nil {
		return err
	}
	return l.work(ctx, found)
}

func (l *loop) work(ctx context.Context, m *message) error {
	if m.attempt > l.known.maxAttempts {
		// It was taken and neither done nor buried: each time the process ended.
		return l.bury(ctx, m, "the worker ended each time")
	}
	began := time.Now()
	err := l.try(ctx, m)
	var refused refusedError
	isRefused := errors.As(err, &refused)
	duration.WithLabelValues(l.known.queue, kindOf(err, isRefused)).Observe(time.Since(began).Seconds())
	switch {
	case err == nil:
		return l.queue.done(ctx, m)
	case isRefused || m.attempt >= l.known.maxAttempts:
		return l.bury(ctx, m, err.Error())
	}
	slog.Warn("failed", "id", m.id, "attempt", m.attempt, "of", l.known.maxAttempts, "next", l.known.retryAfter, "error", err)
	return nil
}

// try handles it within its time; a panic is an error like others.
func (l *loop) try(ctx context.Context, m *message) (err error) {
	limited, cancel := context.WithTimeout(ctx, l.known.retryAfter)
	defer cancel()
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("panic: %v", problem)
		}
	}()
	return l.handle(limited, *m)
}

func (l *loop) bury(ctx context.Context, m *message, reason string) error {
	if err := l.queue.bury(ctx, m, reason); err != nil {
		return err
	}
	dead.WithLabelValues(l.known.queue).Inc()
	slog.Error("a dead letter", "id", m.id, "attempts", m.attempt, "reason", reason)
	return nil
}

func kindOf(err error, isRefused bool) string {
	switch {
	case err == nil:
		return ""
	case isRefused:
		return "refused"
	}
	return "error"
}
