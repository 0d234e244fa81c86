"""All SQL of the scaffolder, one operation a file. Callers open the transaction; nothing here commits."""
