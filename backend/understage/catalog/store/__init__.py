"""What the catalog keeps, one operation a file. Operations take an open connection and never commit."""
