"""The rows of the measures' events. One operation a file; transactions are the caller's."""
