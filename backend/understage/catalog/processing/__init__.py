"""Processing: what comes in becomes checked entities, relations, children and errors, in batches."""
