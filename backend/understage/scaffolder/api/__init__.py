"""The scaffolder's routes."""
