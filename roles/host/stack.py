"""A saving: pyinfra's look at the stack costs less."""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["name_executed_files"]


def name_executed_files() -> None:
    """Make modules of the files that pyinfra has executed, such as the deploy file.

    pyinfra asks ``inspect`` where each operation stands. For a file of no module that looks through
    all modules, twice an operation: nearly half of the processor time of a run that changes
    nothing.
    """
    cli = sys.modules.get("pyinfra_cli.util")
    for file in getattr(cli, "PYTHON_CODES", ()):
        module = ModuleType(str(file))
        module.__file__ = str(file)
        sys.modules.setdefault(module.__name__, module)
