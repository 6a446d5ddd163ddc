"""Source to what it reads, binds and might do. Pure: runs nothing of the user's, imports no IPython."""

from incnb.analysis.cell import analyse
from incnb.analysis.findings import Finding
from incnb.analysis.mentions import mentions
from incnb.analysis.records import CellAnalysis, Definition, Imported

__all__ = ["CellAnalysis", "Definition", "Finding", "Imported", "analyse", "mentions"]
