"""A services process: `python -m paychain.services PLAN.json`."""

from __future__ import annotations

import os

from paychain.processes.collector import collect_rarely


def main() -> None:
    """Import the links, which takes most of the time of a start, and run them."""
    collect_rarely()
    # Pydantic would read the metadata of all installed packages to find plugins for users' models.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from paychain.services.process import main as serve

    serve()


if __name__ == "__main__":
    main()
