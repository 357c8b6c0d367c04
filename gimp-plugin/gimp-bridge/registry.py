"""Operations by name, and the dispatcher that wraps each one."""

OPERATIONS = {}


def operation(name):
    """Registers a function under a catalogue name: `function(call, **arguments) -> dict`.

    `call` is a `Call`. Arguments arrive validated against the catalogue, with defaults filled in, without the
    common ones (`image` is resolved to `call.image`).
    """

    def register(function):
        if name in OPERATIONS:
            raise ValueError(f"operation `{name}` is registered twice")
        OPERATIONS[name] = function
        return function

    return register


class Call:
    """One running request, as an operation sees it.

    image     the resolved Gimp.Image, or None
    client    `.id`, `.name`, `.namespace` (dict for exec), `.image_id` (chosen image or None; operations may set it)
    upload    path of the spooled upload, or None
    timeout   seconds
    progress(fraction, message=None)   fraction 0..1
    check()                            raises if the request was cancelled or is past its deadline
    stream(header, chunks)             sends a `$/stream` header and an iterable of bytes-like chunks (any length;
                                       cut to 1 MiB), waiting while the outgoing queue is full; returns the byte count.
                                       At most once per call; the dispatcher adds `stream: {bytes}` to the result
    """
