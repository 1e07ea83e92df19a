"""What a run keeps of the files it was made of."""

from __future__ import annotations

from pathlib import Path

from paychain.model.loading import load_chain, load_experiment
from paychain.runs.spec import Inputs
from tests.support.chains import experiment
from tests.support.own_chains import own_shop
from tests.support.runs import declare

ADAPTER = """\
class Shop:
    async def pay(self, payment, http):
        raise NotImplementedError
"""


def test_the_classes_that_pay_are_kept(tmp_path: Path) -> None:
    chain = own_shop(shop={"pays": {"by": "shop/adapters.py:Shop"}})
    declare(tmp_path, shop=chain, quick=experiment())
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "adapters.py").write_text(ADAPTER)
    loaded = load_chain(str(tmp_path / "shop.yaml"))
    inputs = Inputs(loaded, load_experiment(str(tmp_path / "quick.yaml"), loaded.model))
    folder = tmp_path / "run"
    folder.mkdir()
    inputs.keep(folder)
    kept = {path.name: path.read_text() for path in (folder / "inputs").iterdir()}
    assert kept["adapters.py"] == ADAPTER
    assert set(kept) == {"shop.yaml", "quick.yaml", "adapters.py"}
