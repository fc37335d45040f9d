"""The command intarsia, which python -m intarsia is, too."""

import sys


def start() -> int:
    """Run the command line; returns the exit code. Ctrl-C is heeded from the first import on."""
    try:
        from intarsia.cli.main import main
    except KeyboardInterrupt:
        print("intarsia: stopped; nothing was written.", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(start())
