"""JsSIP, the SIP of a phone in a browser: which packages it is made of, and one file of them.

Its authors publish modules that a server joins. Ours joins them where the deploy is run, so no
file of theirs is in this repository, and no host asks a package registry.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["DIGEST", "PACKAGES", "Package", "joined"]


@dataclass(frozen=True)
class Package:
    """One package of the npm registry."""

    name: str
    version: str
    integrity: str
    """SHA-512 of its archive in base 64, as the registry tells it."""
    main: str
    """Module that ``require`` of its name means in a browser."""

    @property
    def archive(self) -> str:
        """Name of its archive."""
        return f"{self.name}-{self.version}.tgz"

    @property
    def path(self) -> str:
        """Path of its archive in a registry."""
        return f"{self.name}/-/{self.archive}"


PACKAGES = (
    Package(
        "jssip",
        "3.13.8",
        "ErxEdy13vXR5izGo42fpXOU64UmC2VF7Shg4oYG7R2NzZF0FTPeYikffkIIQa9w+/11YvTlgezG1nSaycWYXPA==",
        "lib/JsSIP.js",
    ),
    Package(
        "debug",
        "4.4.3",
        "RGwwWnwQvkVfavKVt22FGLw+xYSdzARwm0ru6DhTVA3umU5hZc28V3kO4stgYryrTlLpuvgI9GiijltAjNbcqA==",
        "src/browser.js",
    ),
    Package(
        "ms",
        "2.1.3",
        "6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==",
        "index.js",
    ),
    Package(
        "events",
        "3.3.0",
        "mQw+2fkQbALzQ7V0MY0IqdnXNOeTtP4r0lN9z7AAawCXgqea7bDii20AYrIBrFd/Hx0M2Ocz6S111CaFkUcb0Q==",
        "events.js",
    ),
    Package(
        "sdp-transform",
        "2.15.0",
        "KrOH82c/W+GYQ0LHqtr3caRpM3ITglq3ljGUIb8LTki7ByacJZ9z+piSGiwZDsRyhQbYBOBJgr2k6X4BZXi3Kw==",
        "lib/index.js",
    ),
)
"""JsSIP and what it requires. All are under the MIT licence, which the file repeats."""

DIGEST = "05f5d82f9ddb875b85512bc59368c8bd3f3bf5b7ea27fa42798328aa64dd8adf"
"""SHA-256 of the joined file, hexadecimal."""

_REQUIRE = re.compile(r"""\brequire\((["'])([^"']+)\1\)""")
_LICENCE = re.compile(r"licen[cs]e(\.md|\.txt)?", re.IGNORECASE)

# The few words of Node.js that the modules are written in.
_HEAD = """(function () {
var modules = {};
var made = {};
function load(name) {
  if (!made[name]) {
    var module = made[name] = { exports: {} };
    modules[name].call(module.exports, load, module, module.exports);
  }
  return made[name].exports;
}
var process = { env: {} };
"""


def joined(archives: Mapping[str, bytes]) -> bytes:
    """Join the modules that JsSIP loads into one script, which makes ``JsSIP``; ``archives`` are
    those of PACKAGES, by name."""
    files = {one.name: _files(archives[one.name]) for one in PACKAGES}
    mains = {one.name: f"{one.name}/{one.main}" for one in PACKAGES}
    out = [_notice(one, files[one.name]) for one in PACKAGES]
    out.append(_HEAD)
    first = mains[PACKAGES[0].name]
    for name, text in _modules(first, files, mains):
        out.append(f"modules[{json.dumps(name)}] = function (require, module, exports) {{\n")
        out.append(f"{text}\n}};\n")
    out.append(f"window.JsSIP = load({json.dumps(first)});\n}})();\n")
    return "".join(out).encode()


def _files(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {
            one.name.partition("/")[2]: stream.read().decode()
            for one in tar
            if one.isfile() and (stream := tar.extractfile(one)) is not None
        }


def _notice(package: Package, files: Mapping[str, str]) -> str:
    (licence,) = (text for name, text in files.items() if _LICENCE.fullmatch(name))
    text = licence.strip().replace("*/", "* /")
    return f"/*! {package.name} {package.version}\n\n{text}\n*/\n"


def _modules(
    first: str, files: Mapping[str, Mapping[str, str]], mains: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the modules that one needs, itself first: name and text, in which each ``require``
    names the module in full."""
    wanted = [first]
    for name in wanted:
        package, _, path = name.partition("/")
        text = files[package][path]

        def full(found: re.Match[str], name: str = name) -> str:
            asked = found[2]
            target = mains.get(asked)
            if target is None:
                target = posixpath.normpath(posixpath.join(posixpath.dirname(name), asked))
                owner, _, inside = target.partition("/")
                if inside not in files[owner]:
                    target += ".js"
            if target not in wanted:
                wanted.append(target)
            return f"require({json.dumps(target)})"

        text = _REQUIRE.sub(full, text)
        yield name, f"module.exports = {text.strip()};" if path.endswith(".json") else text
