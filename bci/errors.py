"""Every error of ours; a message says what happened to which device or file, what was expected and what to do."""

from __future__ import annotations


class FocusloopError(Exception):
    """Root of all errors that focusloop raises on purpose."""


class ConfigError(FocusloopError):
    """A configuration file, option or environment variable does not hold."""


class UriError(ConfigError):
    """A source URI cannot be read."""


class SourceError(FocusloopError):
    """A source cannot be opened or cannot go on."""


class SourceNotFoundError(SourceError):
    """Nothing matches what was asked for; the message lists what is there."""


class AmbiguousSourceError(SourceError):
    """More than one stream matches; the message lists them with the URI of each."""


class UnsupportedStreamError(SourceError):
    """The stream is there, but its channels, rate, unit or format cannot be used."""


class SourceFailedError(SourceError):
    """The source broke for good while it was read."""


class SourceEndedError(SourceError):
    """The source has given its last sample (the end of a file)."""


class RecordingNotFoundError(SourceError):
    """There is no such file, or no such stream in it. A headset may yet be switched on; a file does not appear."""


class FileFormatError(SourceError):
    """A recording cannot be read: truncated, without a header, or of an unknown format."""


class MontageError(UnsupportedStreamError, ConfigError):
    """What somebody said about where electrodes are does not hold, or does not fit the stream."""


class ProfileError(FocusloopError):
    """A firmware profile does not hold its schema, or does not exist."""


class ModelError(FocusloopError):
    """A model cannot be used: absent, corrupt, or of another schema."""


class BaselineRefusedError(FocusloopError):
    """A baseline is not one; `code` is the contract's word for why.

    Parameters
    ----------
    code
        `too_short`, `too_noisy`, `looks_like_task`, `other_headset` or `eye_state`.
    message
        What happened and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotInstalledError(FocusloopError):
    """What was asked for needs a library that the base install leaves out."""


class CertificateRefusedError(FocusloopError):
    """A guided calibration cannot be measured; `code` is the contract's word for why.

    Parameters
    ----------
    code
        `broken_off`, `too_few_blocks`, `too_noisy`, `eye_state`, `other_headset`.
    message
        What happened and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoLabelsError(FocusloopError):
    """A recorded session does not say when its person rested, or when they worked; the message says what it holds."""


class ConflictError(FocusloopError):
    """What was asked for is already there, or already running."""


class NoSuchStreamError(FocusloopError):
    """No participant of that id."""


class AccessError(FocusloopError):
    """A token is absent, wrong, or does not reach that far."""
