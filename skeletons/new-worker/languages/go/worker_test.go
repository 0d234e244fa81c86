package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var known = settings{queue: "tests", group: "tests", consumer: "a", maxAttempts: 3, retryAfter: time.Minute}

// given gives messages as a queue does, then a stop.
type given struct {
	left     []*message
	finished []string
	dead     []string
	stop     context.CancelFunc
}

func (g *given) prepare(context.Context) error { return nil }

func (g *given) take(context.Context) (*message, error) {
	if len(g.left) == 0 {
		g.stop()
		return nil, nil
	}
	found := g.left[0]
	g.left = g.left[1:]
	return found, nil
}

func (g *given) done(_ context.Context, m *message) error {
	g.finished = append(g.finished, m.id)
	return nil
}

func (g *given) bury(_ context.Context, m *message, reason string) error {
	g.dead = append(g.dead, m.id+": "+reason)
	return nil
}

func run(handle func(context.Context, message) error, messages ...*message) *given {
	stopped, stop := context.WithCancel(context.Background())
	queue := &given{left: messages, stop: stop}
	newLoop(queue, handle, known).run(stopped)
	return queue
}

func TestLoop(t *testing.T) {
	broken := func(context.Context, message) error { return errors.New("broken") }
	for name, each := range map[string]struct {
		handle  func(context.Context, message) error
		attempt int64
		done    []string
		dead    []string
	}{
		"done":                   {func(context.Context, message) error { return nil }, 1, []string{"1"}, nil},
		"tried again":            {broken, 2, nil, nil},
		"tried too often":        {broken, 3, nil, []string{"1: broken"}},
		"refused":                {func(context.Context, message) error { return refusedError{"never"} }, 1, nil, []string{"1: never"}},
		"a panic":                {func(context.Context, message) error { panic("oh") }, 3, nil, []string{"1: panic: oh"}},
		"the end of a process":   {broken, 4, nil, []string{"1: the worker ended each time"}},
		"nothing without a body": {handle, 1, nil, []string{"1: it has no field 'body'"}},
	} {
		queue := run(each.handle, &message{id: "1", attempt: each.attempt})
		if !reflect.DeepEqual(queue.finished, each.done) || !reflect.DeepEqual(queue.dead, each.dead) {
			t.Errorf("%s: done %v, dead %v", name, queue.finished, queue.dead)
		}
	}
}

func TestProbes(t *testing.T) {
	for path, want := range map[string]string{"/health": `{"status":"ok"}`, "/metrics": "messaging_process_duration_seconds"} {
		response := httptest.NewRecorder()
		probes(func() bool { return true }).ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, nil))
		if response.Code != http.StatusOK || !strings.Contains(response.Body.String(), want) {
			t.Errorf("%s: %d %s", path, response.Code, response.Body)
		}
	}
	response := httptest.NewRecorder()
	probes(func() bool { return false }).ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/health", nil))
	if response.Code != http.StatusServiceUnavailable {
		t.Errorf("stuck: %d", response.Code)
	}
}

func TestSettings(t *testing.T) {
	for _, name := range []string{"RETRY_SECONDS", "MAX_ATTEMPTS", "PORT"} {
		_, err := readSettings(func(asked string) string {
			if asked == name {
				return "soon"
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// By a real Redis: docker run --rm --publish 6379:6379 redis
func TestQueue(t *testing.T) {
	url := os.Getenv("TEST_REDIS_URL")
	if url == "" {
		t.Skip("set TEST_REDIS_URL to a Redis for tests")
	}
	told := known
	told.redisURL, told.queue, told.retryAfter = url, "test-"+t.Name()+time.Now().String(), 2*time.Second
	client, err := connect(told)
	check(t, err)
	ctx := context.Background()
	defer client.Close()
	defer client.Del(ctx, told.queue, told.deadLetters())
	queue := newQueue(client, told)
	check(t, queue.prepare(ctx))
	check(t, queue.prepare(ctx))
	for _, body := range []string{"first", "second"} {
		check(t, client.Do(ctx, "XADD", told.queue, "*", "body", body).Err())
	}
	first, err := queue.take(ctx)
	check(t, err)
	second, err := queue.take(ctx)
	check(t, err)
	check(t, queue.done(ctx, first))
	check(t, queue.leave(ctx))

	time.Sleep(told.retryAfter + 100*time.Millisecond)
	told.consumer = "b"
	other := newQueue(client, told)
	again, err := other.take(ctx)
	check(t, err)
	if again == nil || again.id != second.id || again.attempt != 2 {
		t.Fatalf("not given to another: %v", again)
	}
	check(t, other.bury(ctx, again, "broken"))
	letters, err := client.XRange(ctx, told.deadLetters(), "-", "+").Result()
	check(t, err)
	want := map[string]any{"body": "second", "dead:id": second.id, "dead:attempts": "2", "dead:reason": "broken"}
	if len(letters) != 1 || !reflect.DeepEqual(letters[0].Values, want) {
		t.Errorf("dead letters: %v", letters)
	}
	if left := client.XLen(ctx, told.queue).Val(); left != 0 {
		t.Errorf("%d are left", left)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
