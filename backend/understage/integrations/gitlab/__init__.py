"""GitLab, gitlab.com or self-managed."""
