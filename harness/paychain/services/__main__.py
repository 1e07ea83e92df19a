"""A services process: `python -m paychain.services PLAN.json`."""

from __future__ import annotations

from paychain.processes.collector import collect_rarely


def main() -> None:
    """Import the links, which takes most of the time of a start, and run them."""
    collect_rarely()
    from paychain.services.process import main as serve

    serve()


if __name__ == "__main__":
    main()
