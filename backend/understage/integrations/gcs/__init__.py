"""Google Cloud Storage: reading objects by its JSON API."""
