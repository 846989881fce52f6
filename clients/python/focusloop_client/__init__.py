"""Listen to a focusloop service, and send it trials: `Client` for programs with a loop of their own, `AsyncClient`."""

from focusloop_client.aio import AsyncClient
from focusloop_client.errors import AccessDeniedError, ClientError, TooManyTrialsError
from focusloop_client.messages import (
    Acknowledged,
    Calibration,
    ChannelQuality,
    CountedTrial,
    Difficulty,
    Focus,
    Lagged,
    Marker,
    Message,
    Neurofeedback,
    Other,
    Proposal,
    Quality,
    Refused,
    Status,
)
from focusloop_client.sync import Client

__version__ = "0.1.0"
__all__ = [
    "AccessDeniedError",
    "Acknowledged",
    "AsyncClient",
    "Calibration",
    "ChannelQuality",
    "Client",
    "ClientError",
    "CountedTrial",
    "Difficulty",
    "Focus",
    "Lagged",
    "Marker",
    "Message",
    "Neurofeedback",
    "Other",
    "Proposal",
    "Quality",
    "Refused",
    "Status",
    "TooManyTrialsError",
]
