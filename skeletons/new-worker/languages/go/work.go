package main

import (
	"context"
	"log/slog"
)

// refusedError says that no further try will help: the message goes to the dead letters at once.
type refusedError struct{ reason string }

func (e refusedError) Error() string { return e.reason }

// handle does what one message asks for. Put your work here.
//
// A message may come twice: the process may end after the work is done and before the queue knows. So what is done here
// must be right when done again; remember the id together with the result, in the same transaction.
//
// An error means another try after a while, refusedError none. The context ends when others may take the message.
func handle(_ context.Context, message message) error {
	body, found := message.fields["body"]
	if !found {
		return refusedError{"it has no field 'body'"}
	}
	slog.Info("handled", "id", message.id, "bytes", len(body))
	return nil
}
