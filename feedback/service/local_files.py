"""Over HTTP, a `file:` source opens only below the data directory."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from bci.uri import parse_uri
from feedback.service.access import ForbiddenError

_PATH_PARAMETERS = ("file", "file_anc", "file_aux")


def confine(uri: str, data_dir: Path) -> str:
    """Give a source URI whose paths certainly lie below the data directory; others are given back as they are.

    Parameters
    ----------
    uri
        As a client sent it; a relative path counts from the data directory.
    data_dir
        The service's own.

    Raises
    ------
    UriError
        If it is no source URI.
    ForbiddenError
        If a path leads out of the data directory, links followed.
    """
    parsed = parse_uri(uri)
    for name in _PATH_PARAMETERS:
        if name in parsed.params:
            _below(Path(parsed.params[name]), data_dir)
    if parsed.scheme != "file":
        return uri
    path = _below(Path(parsed.target), data_dir)
    _, mark, query = uri.partition("?")
    return f"file:{quote(str(path))}{mark}{query}"


def _below(path: Path, data_dir: Path) -> Path:
    root = data_dir.resolve()
    try:
        found = (root / path).resolve()
    except (OSError, RuntimeError):  # Python 3.11's word for links that go round in a circle
        found = None
    if found is None or not found.is_relative_to(root):
        msg = f"over HTTP files are opened only below {root}; put the recording there, or start it with --source"
        raise ForbiddenError(msg)
    return found
