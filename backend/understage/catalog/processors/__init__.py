"""The built-in processors, and the registry that puts all processors in order."""
