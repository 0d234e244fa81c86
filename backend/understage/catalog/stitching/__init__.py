"""Stitching: the final form of an entity, built once from what all others say about it, ready to be served and searched."""
