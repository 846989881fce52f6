"""The clients that this service serves of itself, so that they are of its own version: `/clients/`."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import sys
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

MEDIA_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".ts": "text/plain",
    ".html": "text/html",
    ".py": "text/plain",
    ".cs": "text/plain",
    ".jslib": "text/plain",
    ".whl": "application/zip",
}
_PATTERNS = (
    "js/lib/focusloop.js",
    "js/lib/focusloop.d.ts",
    "js/src/focusloop.ts",
    "js/examples/*",
    "python/examples/*.py",
    "unity/*.cs",
    "unity/Plugins/WebGL/*.jslib",
)
_EPOCH = (1980, 1, 1, 0, 0, 0)


def clients_folder() -> Path | None:
    """Find the clients: beside the packages first, then where a wheel put them; None where there are none."""
    candidates = (Path(__file__).resolve().parents[2] / "clients", Path(sys.prefix) / "share" / "focusloop" / "clients")
    return next((folder for folder in candidates if (folder / "js" / "lib").is_dir()), None)


def client_file(name: str, version: str) -> tuple[bytes, str] | None:
    """Give a file of `/clients/` with its media type; None where there is none of that name.

    Parameters
    ----------
    name
        As in the address, below `/clients/`; nothing but the names of the index is found.
    version
        Of the service.
    """
    files = _files(version)
    if name == "":
        return _index(files, version), "text/html"
    content = files.get(name)
    if content is None:
        return None
    suffix = "." + name.rpartition(".")[2]
    return content, MEDIA_TYPES.get(suffix, "text/plain")


@cache
def _files(version: str) -> Mapping[str, bytes]:
    folder = clients_folder()
    if folder is None:
        return {}
    found: dict[str, bytes] = {}
    for pattern in _PATTERNS:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
    # The one that pages import, at a short address.
    found["js/focusloop.js"] = found["js/lib/focusloop.js"]
    wheel = f"python/focusloop_client-{version}-py3-none-any.whl"
    found[wheel] = _wheel(folder / "python" / "focusloop_client", version)
    return found


def _wheel(package: Path, version: str) -> bytes:
    """Pack the Python client as a wheel (PyPA binary distribution format), the same bytes each time."""
    info = f"focusloop_client-{version}.dist-info"
    entries = {f"focusloop_client/{path.name}": path.read_bytes() for path in sorted(package.glob("*.py"))}
    entries[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: focusloop-client\nVersion: {version}\n"
        "Summary: Listen to a focusloop service and send it trials\n"
        "Requires-Python: >=3.11\nRequires-Dist: websockets>=14\n"
    ).encode()
    entries[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: focusloop\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in entries.items()]
    entries[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return packed.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _index(files: Mapping[str, bytes], version: str) -> bytes:
    items = "".join(f'<li><a href="{html.escape(name)}">{html.escape(name)}</a></li>' for name in files)
    wheel = html.escape(f"focusloop_client-{version}-py3-none-any.whl")
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>focusloop clients</title>"
        f"<h1>Clients of focusloop {html.escape(version)}</h1>"
        f"<p>Python: <code>pip install THIS-ADDRESS/python/{wheel}</code>"
        '<p>A page: <code>import { FocusLoop } from "THIS-ADDRESS/js/focusloop.js"</code>'
        f"<p>Unity: copy the files of <code>unity/</code> into <code>Assets/</code>.<ul>{items}</ul></html>"
    ).encode()
