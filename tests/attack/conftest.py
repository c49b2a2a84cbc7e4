"""A switch that is attacked: a lab's, deployed as operators deploy."""

from __future__ import annotations

from tests.roles.conftest import lab, operator_of, pytest_collection_modifyitems

__all__ = ["lab", "operator_of", "pytest_collection_modifyitems"]
