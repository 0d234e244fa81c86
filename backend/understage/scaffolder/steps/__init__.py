"""The steps of a task, interpreted one after the other; knows nothing of leases and databases."""
