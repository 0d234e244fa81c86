"""Validation of catalog files: the orchestrator of the ingestion over files, without a database, and what only it checks.

`targets` finds files, `walk` runs their entities, `problems` makes findings of what went wrong, `references` asks whether
what is referred to exists.
Called by `understage catalog validate`.
"""
