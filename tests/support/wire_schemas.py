"""What the service says over its WebSocket, held against the models that its AsyncAPI document is made from."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter

from feedback.service.wire.service_messages import SERVER_MESSAGES

_ANY_MESSAGE: TypeAdapter[Any] = TypeAdapter(
    Annotated[functools.reduce(operator.or_, SERVER_MESSAGES), Field(discriminator="type")]
)


def hold(message: Mapping[str, Any]) -> None:
    """Fail where a message is not what the service says of it, or says something that it does not."""
    told = _ANY_MESSAGE.validate_json(orjson.dumps(message), strict=True)
    if told.model_config.get("extra") != "allow":
        undescribed = message.keys() - type(told).model_fields.keys()
        assert not undescribed, f"{message['type']}: {undescribed}"
