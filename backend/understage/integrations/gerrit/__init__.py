"""Gerrit: reading by its REST API and its gitiles pages."""
