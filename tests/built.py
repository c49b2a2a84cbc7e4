"""Builds all models when it is imported, for a process that forks: each child has them then."""

from __future__ import annotations

from callcenter import site
from callcenter.site._model import built

for _model in vars(site).values():
    if isinstance(_model, type) and hasattr(_model, "__pydantic_complete__"):
        built(_model)
