"""Collections that a loop goes over again and again, and that say what is new in them."""

from incnb.sources.lines import Lines
from incnb.sources.made import Given, Paths, source
from incnb.sources.protocol import Source, SourceError

__all__ = ["Given", "Lines", "Paths", "Source", "SourceError", "source"]
