"""Source to what it reads, binds and might do. Pure: runs nothing of the user's, imports no IPython."""

from incnb.analysis.cell import CellAnalysis, Definition, Imported, analyse
from incnb.analysis.findings import Finding
from incnb.analysis.mentions import mentions

__all__ = ["CellAnalysis", "Definition", "Finding", "Imported", "analyse", "mentions"]
