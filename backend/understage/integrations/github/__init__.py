"""GitHub, github.com or Enterprise."""
