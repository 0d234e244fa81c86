"""The routes of the measures, below `/api/understage`."""
