"""What a program has to know of; everything else is mended by connecting again."""


class ClientError(Exception):
    """Base of the client's errors."""


class AccessDeniedError(ClientError):
    """The service does not let this client in; trying again would not help."""


class TooManyTrialsError(ClientError):
    """So many trials wait for the service that it must have been gone for long; none is ever thrown away."""
