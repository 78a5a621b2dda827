"""What goes wrong when a server is to be started."""


class EmbeddedError(Exception):
    """The embedded server cannot be started, found or stopped.

    Attributes:
        message: what is wrong, in few words.
        detail: what was seen, as a sentence or as the end of the server's log.
        hint: what to do about it.
    """

    def __init__(self, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.message]
        if self.detail:
            parts.append(f"DETAIL: {self.detail}")
        if self.hint:
            parts.append(f"HINT: {self.hint}")
        return "\n".join(parts)
