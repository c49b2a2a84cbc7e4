"""The lab's Site: an edge on a host of its own changes nothing of it."""

import runpy
from pathlib import Path

site = runpy.run_path(str(Path(__file__).with_name("lab.py")))["site"]
