"""YAML for extensions: read as JavaScript's `yaml` package reads it (1.2), written so that 1.1 and 1.2 agree.

Actions that read or write values files, manifests or catalog files use these in place of PyYAML's own loaders.
"""

from understage.model.yaml import Document, dump, parse_document, parse_documents

__all__ = ["Document", "dump", "parse_document", "parse_documents"]
