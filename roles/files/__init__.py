"""Many files as one operation: one fact, one command, whatever their number."""

from roles.files.facts import ManagedFiles, MaskedContents
from roles.files.operations import (
    payload_command,
    show_difference,
    tree,
    where,
    without,
)

__all__ = [
    "ManagedFiles",
    "MaskedContents",
    "payload_command",
    "show_difference",
    "tree",
    "where",
    "without",
]
