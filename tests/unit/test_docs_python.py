"""Python of the documents, as an editor sees it: mypy finds nothing wrong in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ABOVE = "import os\nfrom pathlib import Path\nfrom callcenter.site import *\n"
"""Lines that each example leaves out."""


def whole(code: str) -> str:
    """Return an example with what it leaves out: `…` stands for the rest of a list or of a Site."""
    if re.match(r"[a-z_]+=", code):
        # A field of a Site, by itself.
        code = f"Site(\n    …,\n{code})\n"
    rest = "" if "extensions=" in code else "extensions=[],"
    code = re.sub(r"\bSite\(\s*(…|\.\.\.),", f'Site("cc.example.net", {rest}', code)
    code = re.sub(r"\[(…|\.\.\.)\]", "[]", code)
    return ABOVE + re.sub(r", (…|\.\.\.)(?=[\]})])", "", code)


def test_examples_are_what_an_editor_takes(tmp_path: Path) -> None:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            name = f"{page.stem.lower().replace('-', '_')}_at_line_{line}.py"
            (tmp_path / name).write_text(whole(block[1]), encoding="utf-8")
    examples = [*tmp_path.glob("*.py")]
    assert len(examples) > 20
    done = subprocess.run(
        [*(sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")),
         *("--no-pretty", "--hide-error-context", *map(str, examples))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
