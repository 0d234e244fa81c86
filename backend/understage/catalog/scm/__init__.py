"""What forges report, in the catalog's words: files and repositories that came, changed, moved or went."""
