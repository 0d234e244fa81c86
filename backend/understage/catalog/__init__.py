"""The catalog road: entity file -> location -> provider -> processor -> processing -> stitching -> store -> query -> api."""
