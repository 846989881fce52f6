"""`focusloop score`: a recording becomes a table of scores."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bci.errors import FileFormatError
from feedback.cli.options import add_provider_option, ending_as_an_error, mains
from feedback.cli.places import try_file
from feedback.cli.progress import progress_bar
from feedback.private_files import private_file

if TYPE_CHECKING:
    from bci.files import Recording
    from feedback.report.scored import ScoresSeen
    from inference.offline import RecordingScorer
    from inference.types import FocusScore

HEADER = ("t_s", "value", "raw", "valid", "reason", "confidence", "quality", "calibrated")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", help="XDF, EDF, BDF, FIF, BrainVision, muselsl/Mind Monitor CSV, OpenBCI raw text")
    parser.add_argument(
        "--calibrate-from",
        metavar="FILE[@START:STOP]",
        help="rest of the same person as the baseline, seconds from the start of the file; in place of the baselines "
        "that a session of `focusloop serve` holds",
    )
    parser.add_argument("--force-baseline", action="store_true", help="never `baseline_mismatch` (for evaluation)")
    parser.add_argument("--model", metavar="ID", help="name or name@version (see `focusloop models`)")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="where to look for models first")
    parser.add_argument("--channels", metavar="A,B,...", help="electrodes to score; all with a position by default")
    parser.add_argument(
        "--montage",
        metavar="A,B,...",
        help="where the electrodes are, in channel order; of two files, of the one that does not say so itself",
    )
    parser.add_argument("--stream", metavar="NAME", help="which stream of an XDF file")
    parser.add_argument("--mains", type=mains, choices=(50, 60, "auto"), default="auto", help="line frequency, Hz")
    add_provider_option(parser)
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="standard output by default")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write the scored recording as one page, too")
    parser.epilog = (
        "example: focusloop score task.edf --calibrate-from rest.edf@0:30 --out scores.csv\n"
        "`t_s` is the time from the first sample to the newest sample used, by the stamps of the file: where they go\n"
        "back, so does it. `value` is empty where not valid."
    )


def run(args: argparse.Namespace) -> int:
    """Score and write the table."""
    from bci.config import read_config
    from inference.bundle import DEFAULT_MODEL, find_model
    from inference.offline import RecordingScorer, Span, parse_span, span_note
    from inference.session import FocusSession, choose_providers

    if args.out is not None:
        try_file(args.out)
    report: Path | None = args.report
    seen = None if report is None else _scores_for(report)
    providers = read_config(None, {"providers": args.provider}).service.providers
    session = FocusSession(find_model(args.model or DEFAULT_MODEL, args.models_dir), choose_providers(providers))
    for fallback in session.fallbacks:
        print(fallback, file=sys.stderr)
    channels = args.channels.split(",") if args.channels else None
    scorer = RecordingScorer(session, mains=args.mains, channels=channels)
    path, span = parse_span(args.calibrate_from) if args.calibrate_from else (Path(args.file), Span())
    recordings = _read((Path(args.file), path), args)
    recording, rest = recordings[Path(args.file)], recordings[path]
    for note in recording.notes:
        print(f"{args.file}: {note}", file=sys.stderr)
    baseline = None
    if args.calibrate_from:
        note = span_note(rest, span)
        if note:
            print(f"{path}: {note}", file=sys.stderr)
        baseline = scorer.baseline(rest, span)
        print(f"baseline: {baseline.clean_s:.0f} s of clean rest, eyes {baseline.eyes}", file=sys.stderr)
    told: list[str] = []
    whole_s = max(recording.duration_s, 1e-9)
    with ending_as_an_error(), progress_bar("scoring") as show:

        def advance(done_s: float) -> None:
            show("scoring", done_s / whole_s)

        scores = scorer.score(
            recording, baseline=baseline, force_baseline=args.force_baseline, progress=advance, tell=told.append
        )
        with _output(args.out) as target:
            tally = write_table(scores if seen is None else seen.watch(scores), float(recording.stamps_s[0]), target)
    for sentence in told:
        print(f"{args.file}: {sentence}", file=sys.stderr)
    _summarise(tally, scorer)
    if report is not None and seen is not None:
        from feedback.report.page import write_report
        from feedback.report.scored import scored_material

        path = Path(args.file)
        write_report(report, scored_material(recording, seen, baseline, mains=args.mains, channels=channels, path=path))
        print(f"report: {report}", file=sys.stderr)
    if tally["unassigned"]:
        electrodes = sum(channel.kind == "eeg" for channel in recording.spec.channels)
        print(
            f"{args.file}: no score, because nobody has said where its electrodes are; add --montage with "
            f"{electrodes} names in channel order (--montage Fp1,Fp2,…; '-' skips one)",
            file=sys.stderr,
        )
    return 0


def _read(paths: Iterable[Path], args: argparse.Namespace) -> dict[Path, Recording]:
    """Read each; the montage is that of those that name no electrode, or where there are none such, of all."""
    from bci.files import read_recording

    read = {path: read_recording(path, stream=args.stream) for path in dict.fromkeys(paths)}
    if args.montage is None:
        return read
    nameless = [path for path, recording in read.items() if not recording.spec.scored]
    montage = args.montage.split(",")
    return read | {path: read_recording(path, stream=args.stream, montage=montage) for path in nameless or read}


def _scores_for(report: Path) -> ScoresSeen:
    """Prepare to remember scores for a page, which can be written there."""
    from feedback.report.page import check_place
    from feedback.report.scored import ScoresSeen

    check_place(report)
    try_file(report)
    return ScoresSeen()


def write_table(scores: Iterator[FocusScore], begin_s: float, target: TextIO) -> Counter[str]:
    """Write one row for each score; gives how many there were of each reason (`valid` among them)."""
    writer = csv.writer(target)
    writer.writerow(HEADER)
    tally: Counter[str] = Counter()
    for score in scores:
        tally[score.reason or "valid"] += 1
        writer.writerow(
            (
                f"{(score.end_s or begin_s) - begin_s:.3f}",
                _number(score.value),
                _number(score.raw),
                int(score.valid),
                score.reason or "",
                _number(score.confidence),
                _number(score.quality),
                int(score.calibrated),
            )
        )
    return tally


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


@contextmanager
def _output(path: Path | None) -> Generator[TextIO]:
    """Write whole or not at all: the table appears under its name when it is complete, readable by its owner alone.

    A device or a pipe is written to as the rows come; a link stays one, and what it points to is replaced.
    """
    if path is None:
        yield sys.stdout
        return
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            with target.open("w", newline="", encoding="utf-8") as stream:
                yield stream
            return
        with private_file(target) as stream:
            yield stream
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise FileFormatError(msg) from error


def _summarise(tally: Counter[str], scorer: RecordingScorer) -> None:
    total = sum(tally.values())
    if not total:
        print("no score: the recording is shorter than one hop", file=sys.stderr)
        return
    parts = [f"{reason} {count / total:.0%}" for reason, count in tally.most_common()]
    print(f"{total} scores by {scorer.bundle.id}: {', '.join(parts)}", file=sys.stderr)
