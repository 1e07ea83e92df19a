"""Files of recorded payments, as systems export them; merchants and schemes with their shares."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from paychain.load.traffic.arrivals import Arrival, arrivals
from paychain.load.traffic.planning import load_plan
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.model.replay import read_replay
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec

EXPORT = (
    "\ufeffTimestamp;order_id;Amount;Currency;Brand;Merchant\r\n"
    "2026-11-27T18:00:01+01:00;77;40.00;EUR;MasterCard;Books\r\n"
    "2026-11-27T17:00:00.500Z;76;12.50;eur;visa;Toys\r\n"
)


def experiment_in(folder: Path, load: str) -> Path:
    path = folder / "shaped.yaml"
    times = "warm_up: 0s, before: 1s, after: 1s"
    path.write_text(f"experiment: shaped\nload: {{{load}, {times}}}\ntolerances: {{}}\n")
    return path


def offered(folder: Path, load: str) -> list[Arrival]:
    chain = load_chain("card-single-provider").model
    experiment = load_experiment(str(experiment_in(folder, load)), chain).model
    return list(arrivals(load_plan(chain, experiment, 1)))


def mistakes(folder: Path, load: str) -> str:
    with pytest.raises(FileMistakes) as caught:
        offered(folder, load)
    return str(caught.value)


def test_an_export_is_replayed_with_its_times_amounts_schemes_and_merchants(tmp_path: Path) -> None:
    (tmp_path / "friday.csv").write_text(EXPORT, "utf-8", newline="")
    first, second = offered(tmp_path, "arrivals: {replay: friday.csv}")
    assert (first.at_s, second.at_s) == pytest.approx((0.0, 0.5))
    assert (first.amount_minor, second.amount_minor) == (1_250, 4_000)
    assert (first.instrument.group, second.instrument.group) == ("visa", "mastercard")
    assert (first.merchant, second.merchant) == ("Toys", "Books")


def test_columns_that_are_not_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "friday.csv").write_text(EXPORT, "utf-8", newline="")
    path = experiment_in(tmp_path, "arrivals: {replay: friday.csv}")
    load = load_experiment(str(path)).model.load
    assert str(load) == "replayed from friday.csv (columns not used: order_id)"


@pytest.mark.parametrize(
    ("rows", "at_s"),
    [
        ("timestamp\n1764000000\n1764000000.25", 0.25),
        ("created\n1764000000000\n1764000000250", 0.25),
        ("time\n2026-11-27 18:00:00\n2026-11-27 18:00:00.250", 0.25),
        ("at_s\tnote\n0\tfirst\n0.25\tsecond", 0.25),
    ],
)
def test_times_are_read_as_people_export_them(tmp_path: Path, rows: str, at_s: float) -> None:
    (tmp_path / "x.csv").write_text(rows)
    times = [arrival.at_s for arrival in offered(tmp_path, "arrivals: {replay: x.csv}")]
    assert times == pytest.approx([0.0, at_s], abs=1e-6)


@pytest.mark.parametrize(
    ("data", "at_s", "amount_minor"),
    [
        ("\ufeffat_s;amount\r\n0;12,50\r\n0,5;7,00\r\n".encode(), 0.5, 1_250),
        (b"at_s;amount\n0;1.250,00\n1;7,00\n", 1.0, 125_000),
        (b'at_s,amount\n0,"1,250.00"\n1,7\n', 1.0, 125_000),
        (b'at_s,amount\n0,"12,5"\n1,7\n', 1.0, 1_250),
        (b"at_s;amount;\n0;0,125;\n1;7,00;\n", 1.0, None),
        ("at_s\tamount\n0\t12,50\n0,5\t7\n".encode("utf-16"), 0.5, 1_250),
        (b"at_s,amount\n0,12.50\n,\n0.5,7\n\n,\n", 0.5, 1_250),
        (b"at_s;amount\n0;12,50\n0,125;7,00\n", 0.125, 1_250),
        # A clock that is put forward between the two.
        (
            b"time,amount\n2026-03-29T01:59:59+01:00,12.50\n2026-03-29T03:00:00.5+02:00,7\n",
            1.5,
            1_250,
        ),
    ],
)
def test_files_are_read_as_spreadsheets_save_them(
    tmp_path: Path, data: bytes, at_s: float, amount_minor: int | None
) -> None:
    (tmp_path / "x.csv").write_bytes(data)
    if amount_minor is None:
        found = mistakes(tmp_path, "arrivals: {replay: x.csv}")
        assert "'0.125' has more decimal places than EUR allows" in found
        return
    first, second = offered(tmp_path, "arrivals: {replay: x.csv}")
    assert (first.at_s, second.at_s) == pytest.approx((0.0, at_s))
    assert (first.amount_minor, second.amount_minor) == (amount_minor, 700)


@pytest.mark.parametrize(
    ("written", "at_s"),
    [("1,250.5", 1_250.5), ("1.250,5", 1_250.5), ("1,250,000", 1_250_000.0), (" 12,5 ", 12.5)],
)
def test_seconds_are_read_as_amounts_are(tmp_path: Path, written: str, at_s: float) -> None:
    (tmp_path / "x.csv").write_text(f'at_s,merchant\n"{written}",Books\n')
    (payment,) = read_replay(tmp_path / "x.csv").payments
    assert payment.at_s == at_s


def test_three_decimals_are_an_amount_where_the_currency_has_them(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("at_s;amount\n0;1.250\n")
    (payment,) = read_replay(tmp_path / "x.csv").payments
    assert payment.minor("KWD") == 1_250


def test_payments_after_the_end_of_the_load_are_counted(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("at_s,amount\n0,1\n2,1\n60,1\n")
    load = load_experiment(str(experiment_in(tmp_path, "arrivals: {replay: x.csv}"))).model.load
    assert str(load) == "replayed from x.csv (2 of 3 payments are after the load's end)"
    assert len(offered(tmp_path, "arrivals: {replay: x.csv}")) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("when\n1\n", "x.csv:1: no column 'at_s'"),
        ("at_s\n1\nx\n", "x.csv:3: 'x' is not a time in seconds"),
        ("timestamp\nyesterday\n", "x.csv:2: 'yesterday' is not a timestamp"),
        ("at_s,amount\n0,1.00\n1,\n", "x.csv:3: no amount"),
        ("at_s,amount\n0,1.005\n", "x.csv:2: '1.005' has more decimal places than EUR allows"),
        ("at_s,amount\n0,-1\n", "x.csv:2: the amount is not above zero"),
        ("at_s,at_s\n0,1\n", "x.csv:1: two columns 'at_s'; keep one of them"),
        (f"at_s,amount_minor\n0,{'9' * 5_000}\n", "9…' is not an amount in minor units"),
        # These are digits to Python, and no card number.
        (f"at_s,who\n0,{'²' * 15}\n1,x\nx,x\n", "x.csv:4: 'x' is not a time in seconds"),
        ("at_s,amount_minor\n0,1.5\n", "x.csv:2: '1.5' is not an amount in minor units"),
        ("at_s,amount,currency\n0,1,USD\n", "x.csv:2: USD in a chain that pays in EUR"),
        ("at_s,scheme\n0,vista\n", "x.csv:2: no test card of scheme 'vista'"),
        ("at_s,pan\n0,4000 0566 5566 5556\n", "x.csv:2: column 'pan' holds what looks like a card"),
        ('at_s,amount\n0,"1,250"\n', "x.csv:2: '1,250' may mean 1250 or 1.250; write a decimal"),
        ('at_s\n0\n"1,250"\n', "x.csv:3: '1,250' may mean 1250 or 1.250; write a decimal point"),
        (
            "at_s;amount\n0;1.250\n",
            "x.csv:2: '1.250' may mean 1250 or 1.25; write it as one of them",
        ),
        ("at_s;amount\n0;2.000\n", "x.csv:2: '2.000' may mean 2000 or 2; write it as one of them"),
        ("at_s;amount\n0;1.2,5,0\n", "x.csv:2: '1.2,5,0' is not an amount"),
        ("at_s\n0,4242424242424242\n", "x.csv:2: column '' holds what looks like a card"),
        ("at_s,note\n0,4242424242424242\n", "x.csv:2: column 'note' holds what looks like a card"),
    ],
)
def test_a_mistake_in_a_file_has_its_line(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(rows)
    assert message in mistakes(tmp_path, "arrivals: {replay: x.csv}")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("at_s;merchant\n0;Müller\n".encode("latin-1"))
    found = mistakes(tmp_path, "arrivals: {replay: x.csv}")
    assert "x.csv is not UTF-8; save it as CSV in UTF-8" in found


def test_a_run_keeps_what_it_replayed_and_its_folder_can_be_run_again(tmp_path: Path) -> None:
    data = tmp_path / "exports"
    data.mkdir()
    (data / "friday.csv").write_text(EXPORT, "utf-8", newline="")
    (tmp_path / "chaos").mkdir()
    path = experiment_in(tmp_path / "chaos", "arrivals: {replay: ../exports/friday.csv}")
    chain = load_chain("card-single-provider")
    experiment = load_experiment(str(path), chain.model)
    spec = RunSpec(chain=chain, experiment=experiment, out=tmp_path, virtual=True)
    finished = run(spec, chain_of(spec))
    kept = finished.folder / "inputs"
    assert (kept / "friday.csv").read_bytes() == (data / "friday.csv").read_bytes()
    again = load_experiment(str(kept / "shaped.yaml"), chain.model).model.load.arrivals
    assert again is not None
    assert again.recorded is not None
    assert finished.result.experiment.replay == "friday.csv"
    assert finished.result.experiment.replay_sha256 == again.recorded.sha256
    assert "inputs/friday.csv" in (finished.folder / "SHA256SUMS").read_text()


def test_merchants_and_schemes_get_their_shares(tmp_path: Path) -> None:
    load = (
        "arrivals: 500/s, schemes: {visa: 80%, amex: 20%}, merchants: {Books: 90%, "
        "Cars: {share: 10%, amounts: {median: 900.00, least: 500.00, most: 2000.00}}}"
    )
    found = offered(tmp_path, load)
    merchants = Counter(arrival.merchant for arrival in found)
    schemes = Counter(arrival.instrument.group for arrival in found)
    # 1,000 draws: a standard deviation is 9.5 and 12.6, and four are allowed.
    assert merchants["Books"] == pytest.approx(900, abs=38)
    assert schemes["visa"] == pytest.approx(800, abs=51)
    assert set(merchants) == {"Books", "Cars"}
    assert set(schemes) == {"visa", "amex"}
    assert (
        len({arrival.instrument.identity for arrival in found}) == 4
    )  # every card of both schemes
    amounts = [arrival.amount_minor for arrival in found if arrival.merchant == "Cars"]
    assert min(amounts) >= 50_000


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("arrivals: 1/s, merchants: {Books: 90%}", "the shares are 90.00% together"),
        ("arrivals: 1/s, schemes: {vista: 100%}", "no test card of scheme 'vista'; did you mean"),
        ("arrivals: 1/s, merchants: {Books: {amounts: {}}}", "'share' is missing"),
    ],
)
def test_a_mistake_in_shares_has_its_place(tmp_path: Path, load: str, message: str) -> None:
    assert message in mistakes(tmp_path, load)
