"""``python -m gz2tree``: the command line."""

from gz2tree.cli import main

raise SystemExit(main())
