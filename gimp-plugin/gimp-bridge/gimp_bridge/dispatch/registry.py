"""Operations by name: which function does what the catalogue says, and what a call of it is going to do."""

OPERATIONS = {}
PLANS = {}  # of the operations that have one


def operation(name, plan=None):
    """Registers a function under a catalogue name: `function(call, **arguments) -> dict`.

    `call` is a `Call`. Arguments arrive validated against the catalogue, with defaults filled in, without the
    common ones (`image` is resolved to `call.image`).

    `plan(call, **arguments) -> Plan` is for an operation whose access depends on its arguments; it runs before an
    image that is left out is resolved, and may keep what it worked out on `call.prepared`.
    """

    def register(function):
        if name in OPERATIONS:
            raise ValueError(f"operation `{name}` is registered twice")
        OPERATIONS[name] = function
        if plan is not None:
            PLANS[name] = plan
        return function

    return register


class Plan:
    """What one call is going to do.

    changes   whether it may change anything; False: no checkpoint, no undo group, no proof
    images    the images that it may change, or None for the resolved one
    isolated  whether it runs in a context (colours, brush) of its own
    whole     whether it is all or nothing: if it fails, what it had changed is taken back. False for a client's code,
              which is many changes, and whose variables name what it made
    """

    def __init__(self, changes, images=None, isolated=False, whole=True):
        self.changes, self.images, self.isolated, self.whole = changes, images, isolated, whole
