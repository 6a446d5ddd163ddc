"""Decisions in words. Pure: takes decisions, returns text."""

from incnb.explain.words import describe, sentence

__all__ = ["describe", "sentence"]
