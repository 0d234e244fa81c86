"""Validation of catalog files: the orchestrator of the ingestion over files, without a database, and what only it checks.

`walk` runs entities, `findings` makes of errors what people and tools read, `references` asks whether targets exist.
Called by `understage catalog validate`.
"""
