"""The way that `test_platform_walk` takes over the bench, chapter by chapter: who walks (`walker`), and what happens on it."""
