"""A model folder is used as its contract says, or refused with a sentence."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from bci.errors import ModelError
from inference.bundle import ModelBundle, PlattScaling, find_model, find_models, load_bundle


@pytest.fixture
def folder(tiny: ModelBundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.folder, tmp_path / "tiny" / "1.0.0"))


def test_a_whole_folder_is_read(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.id == "tiny@1.0.0"
    assert bundle.card.tokens == 6


@pytest.mark.parametrize("keep", [0, 100])
def test_a_graph_cut_short_is_refused(folder: Path, keep: int) -> None:
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:keep])
    with pytest.raises(ModelError, match="cut short"):
        load_bundle(folder)


def test_a_graph_with_one_changed_bit_is_refused(folder: Path) -> None:
    graph = folder / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(ModelError, match="sha256"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "focus-eeg"', 'kind = "horoscope"', "kind"),
        ("opset = 20", "opset = 20\nsurprise = 1", "surprise"),
        ("window_s = 4.8", "", "window_s"),
        ('name = "tiny"', 'name = "huge"', r"says huge@1\.0\.0, its folder tiny@1\.0\.0"),
        ('version = "1.0.0"', 'version = "1.0.1"', r"says tiny@1\.0\.1, its folder tiny@1\.0\.0"),
        ("[metrics]", "[metrics", "no TOML"),
    ],
)
def test_a_manifest_off_its_schema_names_the_place(folder: Path, old: str, new: str, says: str) -> None:
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(ModelError, match=says):
        load_bundle(folder)


def test_a_folder_without_a_graph_says_how_to_get_one(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match="focusloop train"):
        load_bundle(folder)


def test_a_name_alone_takes_the_newest_version(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        write_tiny_model(tmp_path, version=version)
    assert find_model("tiny", tmp_path).card.version == "1.10.0"


def test_an_unknown_model_lists_those_that_there_are(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    with pytest.raises(ModelError, match=r"tiny@1\.0\.0"):
        find_model("huge", tmp_path)


def test_the_given_folder_wins_over_the_installed_one(tmp_path: Path) -> None:
    shipped = find_models()
    assert shipped, "no model is shipped"
    name, version = next(iter(shipped)).split("@")
    mine = tmp_path / name / version
    mine.mkdir(parents=True)
    (mine / "model.toml").write_text("", "utf-8")
    assert find_models(tmp_path)[f"{name}@{version}"] == mine


def test_a_model_without_a_calibration_of_its_own_is_read_as_before(folder: Path) -> None:
    manifest = folder / "model.toml"
    text = manifest.read_text()
    start, stop = text.index("[calibration]"), text.index("[confidence]")
    manifest.write_text(text[:start] + text[stop:])
    calibration = load_bundle(folder).card.calibration
    assert {calibration.of(calibrated).at(n) for calibrated in (False, True) for n in (1, 4, 64)} == {(1.0, 0.0)}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("population = [-1.6, -1.9, -1.9, -1.6, -2.0, -2.4, -3.2]", r"population: 7 values, .* 8 bands_hz"),
        ("population = [nan, -1.9, -1.9, -1.6, -2.0, -2.4, -3.2, -3.5]", r"population: 0: .*finite"),
        ("token_s = 0.0", "token_s: .*greater than 0"),
        ("window_s = 0.3", "window_s: 0.3, expected a whole number of tokens of 0.8 s"),
        ("window_s = -4.8", "window_s: .*greater than 0"),
        ("window_s = 5.0", "window_s: 5, expected a whole number of tokens of 0.8 s"),
        ("hop_s = 0.5", "hop_s: 0.5, expected a whole part of token_s"),
        ("threshold = nan", "ood: threshold: .*finite"),
        ("threshold_uncalibrated = inf", "ood: threshold_uncalibrated: .*finite"),
        ("margin = [0.0, 0.2, 0.5]", "confidence: expected a margin that rises, and an accuracy"),
        ("margin = [0.5, 0.0]", "confidence: expected a margin that rises"),
        ("accuracy = [0.5, 0.7, 0.9]", "confidence: expected a margin that rises, and an accuracy"),
        ("accuracy_uncalibrated = [0.5, nan]", "accuracy_uncalibrated: 1: "),
        ("prior_s = inf", "prior_s: .*finite"),
    ],
)
def test_a_figure_that_cannot_be_is_refused_with_its_place_and_what_to_do(folder: Path, line: str, says: str) -> None:
    manifest = folder / "model.toml"
    key = line.partition("=")[0]
    lines = [line if one.startswith(key) else one for one in manifest.read_text("utf-8").splitlines()]
    assert line in lines
    manifest.write_text("\n".join(lines), "utf-8")
    with pytest.raises(ModelError, match=rf"model\.toml: .*{says}.*focusloop train"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "position_m"', 'name = "where_m"', "inputs .*where_m.*expected .*position_m"),
        ('shape = ["b", "c", 3]', 'shape = ["b", "c", 2]', r"position_m float32 \(b, c, 2\)"),
        ('name = "spread"', 'name = "width"', "outputs .*width.*expected .*spread"),
        ('{ name = "spread", shape = ["b"], dtype = "float32" },', "", "outputs logit .*, ood .*; expected .*spread"),
    ],
)
def test_a_manifest_of_other_inputs_or_outputs_is_refused(folder: Path, old: str, new: str, says: str) -> None:
    manifest = folder / "model.toml"
    text = manifest.read_text("utf-8")
    assert old in text
    manifest.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ModelError, match=says):
        load_bundle(folder)


def test_any_hop_that_divides_a_token_is_one(folder: Path) -> None:
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("hop_s = 0.04", "hop_s = 0.1"), "utf-8")
    assert load_bundle(folder).card.hop_s == 0.1


@pytest.mark.parametrize("line", ["scale_slope = nan", "scale_slope = 900.0", "shift_slope = inf", "fewest = 0"])
def test_a_calibration_that_gives_no_number_is_refused(folder: Path, line: str) -> None:
    manifest = folder / "model.toml"
    name = line.split(" = ")[0]
    kept = [one for one in manifest.read_text().splitlines() if not one.startswith(f"{name} =")]
    place = kept.index("[calibration]") + 1
    manifest.write_text("\n".join([*kept[:place], line, *kept[place:]]))
    with pytest.raises(ModelError, match=rf"calibration.*{name}"):
        load_bundle(folder)


def test_a_calibration_goes_with_the_number_of_electrodes_as_far_as_it_was_fitted() -> None:
    scaling = PlattScaling(0.5, 0.2, scale_slope=1.0, shift_slope=0.4, fewest=3, most=18)
    assert scaling.at(9) == pytest.approx((0.5, 0.2))
    assert scaling.at(18) == pytest.approx((1.0, 2.0 * (0.2 + 0.4 * math.log(2.0))))
    assert scaling.at(64) == scaling.at(18)
    assert scaling.at(1) == scaling.at(3) == pytest.approx((0.5 / 3.0, (0.2 - 0.4 * math.log(3.0)) / 3.0))
