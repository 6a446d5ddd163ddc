"""What an execution relies on: one room per kind, each with two doors, how it is found and what it resolves to now."""

from incnb.dependencies.bindings import Resolved
from incnb.dependencies.closure import Closure
from incnb.dependencies.collected import Found
from incnb.dependencies.environment import Environment

__all__ = ["Closure", "Environment", "Found", "Resolved"]
