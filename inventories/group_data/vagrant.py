"""The Site of Vagrant's machines: the lab's. That of lab-windows where there is a Windows machine,
and that of lab-edges where there are edges alone."""

import json
import runpy
from pathlib import Path

_noted = Path("@vagrant.json")

# pyinfra reads this file for every inventory.
if _noted.is_file():
    _machines = json.loads(_noted.read_text())["groups"].values()
    _groups = set().union(*_machines)
    if "windows" in _groups:
        _name = "lab-windows.py"
    else:
        _name = "lab.py" if "switches" in _groups else "lab-edges.py"
    # group_data/vagrant.py, which `pyinfra @vagrant` looks for, is a link to this file.
    _known = runpy.run_path(str(Path(__file__).resolve().with_name(_name)))
    _several = sum("switches" in groups for groups in _machines) > 1
    site = _known["_site_of_several" if _name == "lab.py" and _several else "site"]
