"""Decisions in words. Pure: takes decisions, returns text."""

from incnb.explain.tables import cheaper_to_compute
from incnb.explain.words import describe, sentence

__all__ = ["cheaper_to_compute", "describe", "sentence"]
