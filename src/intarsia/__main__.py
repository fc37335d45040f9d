"""The command intarsia, which python -m intarsia is, too."""

import sys

from intarsia.notes import hush_libraries


def start() -> int:
    """Run the command line; returns the exit code. Ctrl-C is heeded from the first import on.

    What libraries say on their own is shown with --debug alone.
    """
    if "--debug" not in sys.argv:
        hush_libraries()
    try:
        from intarsia.cli import console
        from intarsia.cli.main import main

        code = main()
    except KeyboardInterrupt:  # before the command's own handlers are there
        print("intarsia: stopped; nothing was written.", file=sys.stderr)
        return 130
    console.leave(code)
    return code


if __name__ == "__main__":
    sys.exit(start())
