"""Names as segments of a URL's path, for extensions that send requests."""

from understage.model.path_segment import path_segment

__all__ = ["path_segment"]
