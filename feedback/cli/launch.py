"""Puts a service together from its configuration, and tells a person where it is."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Callable

from bci.config import Config
from bci.lsl.setup import configure
from bci.uri import parse_uri
from feedback.cli.arenas import share_arenas
from feedback.outlets.lsl import LslOutlets
from feedback.outlets.lsl_markers import LslMarkers
from feedback.outlets.osc import OscOutlet, parse_osc_target
from feedback.outlets.port import Outlet
from feedback.participants import LiveParticipants
from feedback.service.access import operator_token
from feedback.service.app import run_service
from feedback.service.metrics import Metrics
from feedback.service.settings import ServiceSettings


def serve(
    config: Config,
    *,
    debug: bool = False,
    open_page: bool = False,
    announced: Callable[[str, str], None] | None = None,
    until: threading.Event | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, or until an event.

    Parameters
    ----------
    config
        Parsed configuration.
    debug
        Tracebacks in the log.
    open_page
        Open the live page in a browser once it answers.
    announced
        Told address and operator's token once the service has started.
    until
        Set to end the service; noticed within a tenth of a second.

    Raises
    ------
    FocusloopError
        No such address here, port in use, model unusable, data directory not writable: one sentence each.
    """
    share_arenas()
    service = config.service
    settings = ServiceSettings(
        host=service.host,
        port=service.port,
        token=service.token,
        allow_origins=service.origins,
        data_dir=service.data_dir,
        osc=service.osc,
        debug=debug,
    )
    os.environ["FOCUSLOOP_DATA_DIR"] = str(service.data_dir)  # compiled kernels are kept there, too
    token = operator_token(settings)
    configure(_known_peers(config))
    outlets: list[Outlet] = [LslOutlets(), LslMarkers()]
    if service.osc is not None:
        outlets.append(OscOutlet(*parse_osc_target(service.osc)))
    metrics = Metrics()
    participants = LiveParticipants(config, metrics, outlets)

    def announce(url: str) -> None:
        page = f"{url}#token={token}"
        print(f"focusloop is at {page}", file=sys.stderr, flush=True)
        for one in config.participants:
            print(f"  {one.id}: {', '.join(one.sources)}", file=sys.stderr, flush=True)
        if announced is not None:
            announced(url, token)
        if open_page:
            threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()

    run_service(settings, participants, metrics=metrics, announce=announce, until=until)


def _known_peers(config: Config) -> set[str]:
    """Gather the peers of all LSL sources: liblsl learns them once a process."""
    uris = [parse_uri(text) for one in config.participants for text in one.sources]
    return {peer for uri in uris for peer in uri.params.get("known_peers", "").split(",") if peer}
