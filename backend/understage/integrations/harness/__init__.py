"""Harness Code: reading by its API."""
