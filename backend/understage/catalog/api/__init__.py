"""The catalog on the wire: routes below `/api/catalog`. Handlers read the request, open a transaction, answer stored bytes."""
