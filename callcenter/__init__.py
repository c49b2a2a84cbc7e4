"""From one typed description of a call centre to the files of its hosts. Pure Python."""

__version__ = "0.1.0"
