"""Every error that Intarsia raises on purpose.

    IntarsiaError
    ├── PictureError (ValueError)     a picture cannot be read, or is of a kind we refuse
    ├── RegionError (ValueError)      a box or mask given by the user cannot be used
    │   └── EmptyMaskError            nothing of a mask is left at the size it is needed
    ├── LayoutError (ValueError)      a scene's objects or a target layout cannot be read
    ├── RecordError (ValueError)      a setting is out of range, or two contradict each other
    ├── OutputError (OSError)         a result cannot be written where it was asked for
    ├── ModelError (RuntimeError)     a checkpoint is unknown, incomplete or not on this machine
    ├── WorkersError (RuntimeError)   processes that should do the work cannot be started
    │   └── ClusterError              a cluster cannot be reached
    ├── MissingExtraError (ImportError)  an optional dependency is not installed
    └── Cancelled                     the user stopped the work

Each message says the fact, the nearest cause and the remedy. The command line prints it without a
traceback and exits with 2 (bad input); what goes wrong later exits with 1.
"""

from __future__ import annotations


class IntarsiaError(Exception):
    """Base of all errors that carry a message for the user."""


class PictureError(IntarsiaError, ValueError):
    """A picture cannot be read, or is of a kind that would be damaged by editing it."""


class RegionError(IntarsiaError, ValueError):
    """A box or mask cannot be used with this picture."""


class EmptyMaskError(RegionError):
    """A mask covers nothing at the size at which it is needed."""


class LayoutError(IntarsiaError, ValueError):
    """A scene's objects or its target layout contradict the picture, each other, or themselves."""


class RecordError(IntarsiaError, ValueError):
    """A setting is out of range, missing, or contradicts another."""


class OutputError(IntarsiaError, OSError):
    """A result cannot be written; nothing was overwritten and nothing is half-written."""


class ModelError(IntarsiaError, RuntimeError):
    """A checkpoint is unknown, incomplete, or not on this machine."""


class WorkersError(IntarsiaError, RuntimeError):
    """Processes that should do the work end before they have begun."""


class ClusterError(WorkersError):
    """A cluster cannot be reached, or has no room for the work."""


class MissingExtraError(IntarsiaError, ImportError):
    """An optional dependency is needed; the message holds the command that installs it."""


class Cancelled(IntarsiaError):
    """The work was stopped on request; nothing was written."""


class UsageError(IntarsiaError):
    """A flag's text cannot be read. No ValueError: tyro would catch that and print it its own way."""
