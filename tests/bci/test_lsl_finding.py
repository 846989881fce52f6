"""From a URI to a stream. No outlet may live in this module beside those of the test that runs."""

from __future__ import annotations

import threading

import pylsl
import pytest
from lsl_outlets import Announcement, PacedOutlet, fresh_id

from bci.errors import AmbiguousSourceError, SourceNotFoundError
from bci.registry import open_source
from bci.streams import find_streams


def test_the_only_eeg_stream_needs_no_name() -> None:
    with (
        PacedOutlet(a := Announcement()),
        PacedOutlet(Announcement(kind="Accelerometer", name="Motion")),
    ):
        source = open_source("lsl:")
        assert source.open().source_id == a.source_id
        source.close()


def test_two_that_match_are_listed_with_uris_that_tell_them_apart() -> None:
    one, two = Announcement(name="Muse & co"), Announcement(name="Muse & co")
    with PacedOutlet(one), PacedOutlet(two):
        with pytest.raises(AmbiguousSourceError, match="2 streams match") as error:
            open_source("lsl:").open()
        uris = [word for word in str(error.value).split() if word.startswith("lsl:name")]
        chosen = set()
        for uri in uris:
            source = open_source(uri)
            chosen.add(source.open().source_id)
            source.close()
    assert chosen == {one.source_id, two.source_id}


def test_twins_are_told_apart_by_their_outlet() -> None:
    twin = Announcement()
    with PacedOutlet(twin), PacedOutlet(twin):
        found = [s for s in find_streams() if s.source_id == twin.source_id]
        assert len(found) == 2
        assert len({s.uri for s in found}) == 2
        assert all("uid=" in s.uri for s in found)


def test_of_a_headset_with_several_streams_the_eeg_is_meant() -> None:
    """Muse: EEG, PPG and motion share one name."""
    eeg = Announcement(name="Muse-1A2B")
    with PacedOutlet(eeg), PacedOutlet(Announcement(name="Muse-1A2B", kind="PPG")):
        source = open_source("lsl:name=Muse-1A2B")
        assert source.open().kind == "EEG"
        source.close()


@pytest.mark.parametrize("query", ["name=Named%20one", "type=Odd&channel_count=3", "name=Named%20one&type=Odd"])
def test_any_property_chooses(query: str) -> None:
    wanted = Announcement(name="Named one", kind="Odd", n_channels=3, labels=(), units=())
    with PacedOutlet(wanted), PacedOutlet(Announcement(name="Other")):
        source = open_source(f"lsl:{query}")
        assert source.open().source_id == wanted.source_id
        source.close()


def test_nothing_at_all_says_what_to_check() -> None:
    with pytest.raises(SourceNotFoundError, match="firewall") as error:
        open_source("lsl:name=Nobody").open(0.3)
    assert "known_peers" in str(error.value)
    assert "name=Nobody" in str(error.value)


def test_another_stream_is_named_where_the_wanted_one_is_not() -> None:
    with PacedOutlet(Announcement(name="Muse-9")), pytest.raises(SourceNotFoundError, match="Muse-9"):
        open_source("lsl:name=Muse").open(0.3)


def test_what_is_no_source_is_not_offered_in_its_place() -> None:
    scores = Announcement(name="focusloop-p01", kind="Focus", n_channels=4, rate_hz=25.0, labels=(), units=())
    markers = Announcement(name="Events", kind="Markers", n_channels=1, number_format="string", labels=(), units=())
    marks = pylsl.StreamOutlet(markers.info())
    with PacedOutlet(scores), pytest.raises(SourceNotFoundError, match="nor any other source") as error:
        open_source("lsl:name=Muse").open(0.3)
    del marks
    assert "focusloop-p01" not in str(error.value)
    assert "Events" not in str(error.value)


def test_a_name_with_quotes_and_a_predicate_in_it_is_a_name() -> None:
    odd = Announcement(name="Anna's cap")
    with PacedOutlet(odd), PacedOutlet(Announcement(name="x' or '1'='1")):
        source = open_source("lsl:name=Anna%27s%20cap")
        assert source.open().name == "Anna's cap"
        source.close()


def test_an_outlet_that_comes_while_it_is_waited_for_is_taken() -> None:
    late = Announcement()
    source = open_source(f"lsl:source_id={late.source_id}")
    opened = threading.Thread(target=source.open)
    opened.start()
    with PacedOutlet(late):
        opened.join(20.0)
        assert source.status.state == "streaming"
        source.close()


def test_closing_ends_the_search() -> None:
    source = open_source(f"lsl:source_id={fresh_id()}")
    failed: list[BaseException] = []

    def search() -> None:
        try:
            source.open(60.0)
        except Exception as error:
            failed.append(error)

    searching = threading.Thread(target=search)
    searching.start()
    source.close()
    searching.join(10.0)
    assert not searching.is_alive()
    assert len(failed) == 1


def test_discovery_describes_what_is_there() -> None:
    with PacedOutlet(a := Announcement(name="Cap"), pace_hz=1.0), PacedOutlet(Announcement(kind="Gaze", name="A")):
        found = find_streams()
    assert [s.kind for s in found] == ["EEG", "Gaze"]
    assert found[0].uri == f"lsl:name=Cap&type=EEG&source_id={a.source_id}"
    assert str(found[0]).startswith("Cap (EEG, 4 channels, 250 Hz, on ")
