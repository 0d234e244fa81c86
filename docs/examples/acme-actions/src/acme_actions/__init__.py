"""Template actions of Acme."""
