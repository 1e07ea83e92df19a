"""A finding names the providers' own objects, so that a team finds them in its dashboards."""

from __future__ import annotations

from paychain.protocol.dialects.vendors import VENDORS
from paychain.protocol.vendor import NamesAuthorisations


class _Backend:
    link, currency = "psp", "EUR"

    def now_s(self) -> int:
        return 0

    def entry(self, reference: str) -> None:
        return None

    def notify(self, kind: str, request: object) -> None:
        pass


def test_each_vendor_that_names_authorisations_names_them_apart() -> None:
    naming = []
    for name, api in VENDORS.items():
        made = api(_Backend(), {})  # type: ignore[arg-type]  # a stand-in
        if isinstance(made, NamesAuthorisations):
            names = {made.name_of(f"pab1x000004{number}-1") for number in range(10)}
            assert len(names) == 10
            naming.append(name)
    assert naming == list(VENDORS)
