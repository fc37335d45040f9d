"""The command intarsia, which python -m intarsia is, too."""

import sys
from pathlib import Path

from intarsia.notes import hush_libraries


def start() -> int:
    """Run the command line; returns the exit code. Ctrl-C is heeded from the first import on.

    What libraries say on their own is shown with --debug alone.
    """
    if "--debug" not in sys.argv:
        hush_libraries()
    written: list[Path] = []
    try:
        from intarsia.cli import console
        from intarsia.cli.main import main
        from intarsia.files import noting_writes

        with noting_writes() as written:
            code = main()
        console.leave(code)
    except KeyboardInterrupt:  # before the command's own handlers are there, or after they have gone
        from intarsia.files import stopped

        print(f"intarsia: {stopped(written)}", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    sys.exit(start())
