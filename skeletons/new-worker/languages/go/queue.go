package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// How long to wait for a message; after that the loop looks whether it is to stop.
const patience = time.Second

// message is a message, and how often it was given to a consumer, this time included.
type message struct {
	id      string
	fields  map[string]string
	attempt int64
}

// queue is a queue in a stream of Redis, as one consumer of a group sees it.
//
// Each message is given to one consumer, and stays with it until it is done. One that was not done within RETRY_SECONDS,
// because it failed or its consumer ended, is given to another. So each is handled at least once, and sometimes twice.
type queue struct {
	redis  *redis.Client
	known  settings
	cursor string
}

// connect makes a client, which connects when it is first used, and again when the connection was lost.
func connect(known settings) (*redis.Client, error) {
	options, err := redis.ParseURL(known.redisURL)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	if known.username != "" {
		options.Username = known.username
	}
	if known.password != "" {
		options.Password = known.password
	}
	return redis.NewClient(options), nil
}

func newQueue(client *redis.Client, known settings) *queue {
	return &queue{redis: client, known: known, cursor: "0-0"}
}

// prepare makes the group if there is none; it gets what was in the queue before.
func (q *queue) prepare(ctx context.Context) error {
	err := q.redis.XGroupCreateMkStream(ctx, q.known.queue, q.known.group, "0").Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return err
}

// take gives the next message, those first that were not done in time; nil after a second without any.
func (q *queue) take(ctx context.Context) (*message, error) {
	again, err := q.takeAgain(ctx)
	if again != nil || err != nil {
		return again, err
	}
	found, err := q.redis.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: q.known.group, Consumer: q.known.consumer, Streams: []string{q.known.queue, ">"}, Count: 1, Block: patience,
	}).Result()
	if errors.Is(err, redis.Nil) || (err == nil && (len(found) == 0 || len(found[0].Messages) == 0)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return messageOf(found[0].Messages[0], 1), nil
}

func (q *queue) takeAgain(ctx context.Context) (*message, error) {
	entries, next, err := q.redis.XAutoClaim(ctx, &redis.XAutoClaimArgs{
		Stream: q.known.queue, Group: q.known.group, Consumer: q.known.consumer,
		MinIdle: q.known.retryAfter, Start: q.cursor, Count: 1,
	}).Result()
	if err != nil {
		return nil, err
	}
	// It looks at some at a time, and says where it is to go on.
	q.cursor = next
	if len(entries) == 0 {
		return nil, nil
	}
	entry := entries[0]
	pending, err := q.redis.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: q.known.queue, Group: q.known.group, Start: entry.ID, End: entry.ID, Count: 1,
	}).Result()
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	return messageOf(entry, pending[0].RetryCount), nil
}

func messageOf(entry redis.XMessage, attempt int64) *message {
	fields := make(map[string]string, len(entry.Values))
	for name, value := range entry.Values {
		fields[name] = fmt.Sprint(value)
	}
	return &message{entry.ID, fields, attempt}
}

// done takes it out of the queue, which belongs to this group alone.
func (q *queue) done(ctx context.Context, m *message) error {
	_, err := q.redis.TxPipelined(ctx, func(together redis.Pipeliner) error {
		together.XAck(ctx, q.known.queue, q.known.group, m.id)
		together.XDel(ctx, q.known.queue, m.id)
		return nil
	})
	return err
}

// bury moves it to the dead letters, with the reason. Either both queues change or none.
func (q *queue) bury(ctx context.Context, m *message, reason string) error {
	fields := map[string]any{"dead:id": m.id, "dead:attempts": m.attempt, "dead:reason": reason[:min(len(reason), 1000)]}
	for name, value := range m.fields {
		if _, found := fields[name]; !found {
			fields[name] = value
		}
	}
	_, err := q.redis.TxPipelined(ctx, func(together redis.Pipeliner) error {
		together.XAdd(ctx, &redis.XAddArgs{Stream: q.known.deadLetters(), Values: fields})
		together.XAck(ctx, q.known.queue, q.known.group, m.id)
		together.XDel(ctx, q.known.queue, m.id)
		return nil
	})
	return err
}

// leave takes this consumer from the group, unless messages of its own wait for another try: they would be lost.
func (q *queue) leave(ctx context.Context) error {
	waiting, err := q.redis.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: q.known.queue, Group: q.known.group, Start: "-", End: "+", Count: 1, Consumer: q.known.consumer,
	}).Result()
	if err != nil || len(waiting) > 0 {
		return err
	}
	return q.redis.XGroupDelConsumer(ctx, q.known.queue, q.known.group, q.known.consumer).Err()
}
