"""The pure model: entities, references, relations, kinds, YAML, templates, tasks.

Nothing here does input or output; both roads and the SDK build on it.
"""
