"""What must hold between the parts of a file, and between an experiment and its chain."""

from __future__ import annotations

from collections import Counter

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.quantity import seconds_text
from paychain.declaration.text import KeyPath
from paychain.model.account_checks import check_accounts
from paychain.model.amounts import check_amounts, check_currency
from paychain.model.chain import Chain
from paychain.model.experiment import MAX_FAULTS, Experiment
from paychain.model.fault_checks import check_fault
from paychain.model.ledger_checks import check_ledgers
from paychain.model.link_checks import check_link
from paychain.model.load_checks import check_entries, check_load
from paychain.model.nodes_checks import check_nodes
from paychain.model.operations import CUSTOMER
from paychain.model.pays_checks import check_paid, check_returns
from paychain.model.placement import check_placed
from paychain.model.script_checks import check_scripts
from paychain.model.service_checks import check_services
from paychain.model.stop import check_stop

# Of one order by one customer: more is a mistake in a unit, and has no room in a payment's id.
MAX_PAYMENTS = 99


def check_chain(chain: Chain) -> list[Problem]:
    """Unknown names, missing required calls, cycles, unreachable links."""
    return check_links(chain) or [*_cycles(chain), *_unreached(chain)]


def check_links(chain: Chain) -> list[Problem]:
    """What must hold of each part of a chain, whatever the others are."""
    problems = [*_entries(chain), *_customer(chain), *_accepted(chain), *check_nodes(chain)]
    unfolded = chain.nodes.all_names if chain.nodes is not None else ()
    for name in chain.links:
        problems += check_link(chain, name) if name not in unfolded else ()
    problems += check_ledgers(chain)
    problems += check_accounts(chain)
    problems += check_services(chain)
    problems += check_paid(chain)
    problems += check_returns(chain)
    problems += check_currency(chain.currency, ("currency",))
    problems += check_amounts(chain.links, chain.currency, ("links",))
    isolated = {name: link.isolate for name, link in chain.links.items()}
    problems += check_placed(chain.hosts, isolated, chain.allow)
    return problems


def _customer(chain: Chain) -> list[Problem]:
    """Customers who send a payment again while they still wait."""
    retry, leaves = chain.customer.retry, chain.customer.leaves
    at: KeyPath = ("customer", "retry", "after")
    if leaves is not None and leaves.after >= chain.deadline:
        what = f"every customer leaves after {chain.deadline:g} s, the deadline"
        hint = "shorten it, or lengthen deadline"
        return [Problem(("customer", "leaves", "after"), what, hint)]
    if retry is None:
        return []
    if retry.after == 0:
        what = "customers retry without a pause"
        return [Problem(at, what, "write one such as 7s")]
    if retry.after >= chain.deadline:
        what = f"customers leave after {chain.deadline:g} s, before they retry"
        return [Problem(at, what, "shorten it, or lengthen deadline")]
    if leaves is not None and leaves.share == 1 and retry.after >= leaves.after:
        what = (
            f"every customer leaves after {seconds_text(leaves.after, digits=4)}, before they retry"
        )
        return [Problem(at, what, "shorten it, or let fewer customers leave")]
    if retry.key == "new" and chain.deadline > retry.after * MAX_PAYMENTS:
        what = f"a customer could make more than {MAX_PAYMENTS} payments of one order"
        return [Problem(at, what, "lengthen after")]
    return []


def _accepted(chain: Chain) -> list[Problem]:
    """Accepted findings name something that is in the chain."""
    calls = [f"{name}.{operation}" for name in chain.links for operation in chain.calls_of(name)]
    known = [*chain.links, *chain.providers, *calls, CUSTOMER]
    return [
        unknown(("accepts", number, "at"), "link, provider or call", item.at, known)
        for number, item in enumerate(chain.accepts)
        # Faults belong to the experiment, which may be another one next time.
        if item.at not in known and item.finding != "fault_without_traffic"
    ]


def _entries(chain: Chain) -> list[Problem]:
    problems = [
        unknown(("entry",), "link", entry, chain.links)
        for entry in chain.entries
        if entry not in chain.links
    ]
    twice = [entry for entry, times in Counter(chain.entries).items() if times > 1]
    hint = "name each entry once"
    return [*problems, *(Problem(("entry",), f"'{entry}' is named twice", hint) for entry in twice)]


def _cycles(chain: Chain) -> list[Problem]:
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> list[Problem]:
        if name in above:
            ring = " → ".join([*above[above.index(name) :], name])
            what = f"the calls form a cycle: {ring}"
            return [Problem(("links", above[-1]), what, "remove one of them")]
        if name in done:
            return []
        done.add(name)
        found = []
        for call in chain.calls_of(name).values():
            for target in call.targets:
                found += visit(target, (*above, name))
        return found

    return [problem for name in chain.links for problem in visit(name, ())]


def _unreached(chain: Chain) -> list[Problem]:
    reached: set[str] = set()
    waiting = list(chain.entries)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [to for call in chain.calls_of(name).values() for to in call.targets]
    return [
        Problem(("links", name), f"nothing reaches link '{name}'", "call it or remove it")
        for name in chain.links
        if name not in reached
    ]


def check_experiment(experiment: Experiment, chain: Chain | None) -> list[Problem]:
    """One kind and one target per fault, names that exist in the chain, unique ids."""
    problems = list(check_load(experiment.load, experiment.load_lasts))
    if not problems:
        lasts_s = experiment.load_lasts
        rate = experiment.load.highest_rate(lasts_s)
        if chain is not None:
            problems += check_entries(experiment.load, chain.entries)
        problems += check_stop(experiment.stop_when, lasts_s, rate)
    if chain is not None:
        problems += check_amounts(experiment.load, chain.currency, ("load",))
        problems += check_amounts(experiment.faults, chain.currency, ("faults",))
        problems += check_amounts(experiment.scripts, chain.currency, ("scripts",))
    problems += check_scripts(experiment.scripts, chain)
    named = [fault for fault in experiment.faults if fault.id]
    ids = Counter(each.id for fault in named for each in fault.occurrences())
    count = sum(fault.times or 1 for fault in experiment.faults)
    if count > MAX_FAULTS:
        what = f"the faults occur {count} times in total, more than {MAX_FAULTS:,}"
        problems.append(Problem(("faults",), what, "lower times:"))
    for number, fault in enumerate(experiment.faults):
        at: KeyPath = ("faults", number)
        if fault.id and any(ids[each.id] > 1 for each in fault.occurrences()):
            problems.append(Problem((*at, "id"), f"duplicate fault id '{fault.id}'", "rename one"))
        problems += check_fault(fault, chain, at)
    return problems
