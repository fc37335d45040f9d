"""python -m intarsia: the same as the command intarsia."""

import sys

from intarsia.cli.main import main

sys.exit(main())
