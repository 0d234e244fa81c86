"""Interpreting a task's spec: conditions, loops, inputs, actions, outputs. Called by `tasks` and by the dry run."""
