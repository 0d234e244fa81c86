"""Understage: the catalog and scaffolder backends for Backstage, in Python."""

__version__ = "0.1.0"
