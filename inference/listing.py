"""Which models are there, and which of them this version can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bci.errors import ModelError
from inference.bundle import ModelBundle, find_models, load_bundle
from inference.scorer import check_features
from inference.session import FocusSession, choose_providers
from streaming.features import SCHEMA


def list_models(models_dir: Path | None = None) -> list[dict[str, Any]]:
    """List the models that are found, each verified or with what is wrong with it."""
    return [_describe(model_id, folder) for model_id, folder in find_models(models_dir).items()]


def _describe(model_id: str, folder: Path) -> dict[str, Any]:
    listed: dict[str, Any] = {"id": model_id, "folder": str(folder)}
    try:
        bundle = load_bundle(folder)
    except ModelError as error:
        return {**listed, "usable": False, "problem": str(error)}
    problem = _problem(bundle)
    card = bundle.card
    return {
        **listed,
        "usable": problem is None,
        "problem": problem,
        "kind": card.kind,
        "window_s": card.window_s,
        "licence": card.licence,
        "metrics": card.metrics,
    }


def _problem(bundle: ModelBundle) -> str | None:
    """Say what keeps a model from being scored with here, as loading it for a stream would."""
    try:
        check_features(bundle, SCHEMA)
        FocusSession(bundle, choose_providers(("cpu",)))
    except ModelError as error:
        return str(error)
    return None
