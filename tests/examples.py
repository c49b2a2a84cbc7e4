"""What the files in examples/ci run, so that tests can run the same."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["FILES", "ROOT", "load", "run", "script", "scripts"]

ROOT = Path(__file__).resolve().parents[1]
FILES = {name: ROOT / "examples/ci" / f"{name}.yml" for name in ("github", "gitlab")}

SHELLS = {
    "github": ["bash", "-e", "-c"],
    "gitlab": ["bash", "-e", "-o", "pipefail", "-c"],
}
"""Command by which each of them runs a script."""


class _Loader(yaml.SafeLoader):
    """YAML with GitLab's ``!reference``."""


def _reference(loader: _Loader, node: yaml.SequenceNode) -> tuple[Any, ...]:
    return tuple(loader.construct_sequence(node))


_Loader.add_constructor("!reference", _reference)


def load(tool: str) -> dict[str, Any]:
    """Return the file of ``github`` or ``gitlab``, its anchors followed."""
    content: dict[str, Any] = yaml.load(FILES[tool].read_text(), Loader=_Loader)
    return content


def scripts(tool: str) -> dict[str, list[str]]:
    """Return the scripts that each job runs; not the installation of packages."""
    file = load(tool)
    if tool == "github":
        found = {
            job: [step["run"] for step in content["steps"] if "run" in step]
            for job, content in file["jobs"].items()
        }
    else:
        found = {
            job: _flat(file, content.get("before_script", ())) + _flat(file, content["script"])
            for job, content in file.items()
            if isinstance(content, dict) and "script" in content
        }
        # Hidden jobs are there for others to refer to.
        found = {job: lines for job, lines in found.items() if not job.startswith(".")}
        found[".host"] = _flat(file, file[".host"]["before_script"])
    return {
        job: [line for line in lines if "pip install" not in line and "apt-get" not in line]
        for job, lines in found.items()
    }


def _flat(file: Mapping[str, Any], lines: Any) -> list[str]:
    out: list[str] = []
    for line in lines:
        if isinstance(line, tuple):
            job, key = line
            out += _flat(file, file[job][key])
        else:
            out.append(line)
    return out


def script(tool: str, job: str, *holding: str) -> str:
    """Return the one script of a job that holds all the words."""
    [found] = [one for one in scripts(tool)[job] if all(word in one for word in holding)]
    return found


def run(
    tool: str, text: str, cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a script as the tool would."""
    return subprocess.run(
        [*SHELLS[tool], text],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
