"""Tasks: who may start and end them, who runs which when, and what survives the end of a process."""
