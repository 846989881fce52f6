"""Which models are there, and which of them this version can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bci.errors import ModelError
from inference.bundle import find_models, load_bundle
from streaming.features import SCHEMA


def list_models(models_dir: Path | None = None) -> list[dict[str, Any]]:
    """List the models that are found, each verified or with what is wrong with it."""
    return [_describe(model_id, folder) for model_id, folder in find_models(models_dir).items()]


def _describe(model_id: str, folder: Path) -> dict[str, Any]:
    try:
        card = load_bundle(folder).card
    except ModelError as error:
        return {"id": model_id, "folder": str(folder), "usable": False, "problem": str(error)}
    usable = card.feature_schema == SCHEMA.id
    return {
        "id": model_id,
        "folder": str(folder),
        "usable": usable,
        "problem": None if usable else f"trained on features {card.feature_schema}, this version makes {SCHEMA.id}",
        "kind": card.kind,
        "window_s": card.window_s,
        "licence": card.licence,
        "metrics": card.metrics,
    }
