"""Hosts to try it on: Debian machines in a network of their own, which nothing outside can see."""

from lab.lab import Lab, LabHost, enter
from lab.system import LabError

__all__ = ["Lab", "LabError", "LabHost", "enter"]
