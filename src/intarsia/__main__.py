"""python -m intarsia: the same as the command intarsia."""

import sys

from intarsia.app.cli import main

sys.exit(main())
