"""Where the embedded engine deliberately does otherwise than Toxiproxy 2.12, and why.

Each has a test of the same name in test_deviations.py, which holds both engines to their side.
What is not listed here is the same on both (the rest of this folder).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """One difference."""

    name: str
    original: str
    ours: str
    reason: str


DEVIATIONS = (
    Deviation(
        "a_seed_repeats_the_choice_of_connections",
        "-seed does nothing: the generator it makes is thrown away",
        "toxicity and jitter are keyed by seed, proxy, connection and toxic",
        "a run must repeat",
    ),
    Deviation(
        "a_connection_s_fate_is_drawn_once",
        "toxicity is drawn again for live connections at each update and neighbouring switch",
        "a connection is affected by a toxic or not, for as long as both stand",
        "a run must repeat, and a share of connections must stay that share",
    ),
    Deviation(
        "attributes_that_cannot_work_are_refused",
        "accepts them; the first byte kills the process and with it all proxies",
        "400 with the reason",
        "one bad request must not end a run",
    ),
    Deviation(
        "toxicity_is_a_share",
        "accepts any number",
        "400 unless it is between 0 and 1",
        "-1 and 7.25 are mistakes to tell, not shares to guess",
    ),
    Deviation(
        "a_refused_change_changes_nothing",
        "keeps what it decoded before the mistake",
        "all of it or nothing",
        "the state after an error must be known",
    ),
    Deviation(
        "an_empty_host_is_loopback",
        "binds all interfaces",
        "binds 127.0.0.1",
        "a test tool must not open ports to the network unasked; 0.0.0.0 says it plainly",
    ),
    Deviation(
        "a_reset_is_a_reset_on_live_connections",
        "reset_peer closes with FIN what stood before it was added",
        "sends RST on every connection it strikes",
        "that is what the toxic is for",
    ),
    Deviation(
        "a_spared_connection_outlives_the_removal_of_a_timeout",
        "removal ends every connection, even those toxicity spared",
        "ends those it affected",
        "nothing was dropped from the others",
    ),
    Deviation(
        "a_toxicity_of_zero_does_nothing",
        "reset_peer with toxicity 0 makes every close a reset",
        "closes are closes",
        "issue 603 of the original",
    ),
    Deviation(
        "removing_a_reset_answers_at_once",
        "DELETE blocks until the countdown is over, and with it every listing",
        "the connection, whose first chunk is gone, is reset at once",
        "the API must answer whatever the toxics do",
    ),
    Deviation(
        "a_neighbour_is_not_disturbed",
        "adding a toxic lets the chunk in hand of the one before go at once",
        "it keeps its delay",
        "a switch must change what it names and nothing else",
    ),
    Deviation(
        "latencies_in_series_do_not_shrink",
        "a chunk that waited behind another gets less than the sum",
        "the sum",
        "its clock is moved on by the time it slept, not to the time it left",
    ),
    Deviation(
        "a_half_closed_connection_can_answer",
        "the end of one direction closes both",
        "passes the end on and waits for the other direction's",
        "protocols that end the request with FIN lose their answer otherwise",
    ),
    Deviation(
        "a_reset_by_a_peer_is_passed_on",
        "becomes FIN on the other side",
        "RST, behind what is still held",
        "the callee sees what it would see without a proxy",
    ),
    Deviation(
        "dialling_blocks_nobody",
        "dials in the accept loop without a time limit; disable, delete and update wait for it",
        "dials apart, for ten seconds at most",
        "one dead upstream must not stop the control of the engine",
    ),
    Deviation(
        "a_reset_of_the_engine_goes_on_after_a_failure",
        "stops at the first proxy that cannot start, in random order",
        "resets all others, then tells",
        "the state after an error must be known",
    ),
    Deviation(
        "metrics_are_live",
        "needs a flag, and counts a connection's bytes when it ends",
        "always there, and counts as bytes pass",
        "evidence must not wait for connections that never end",
    ),
    Deviation(
        "a_start_that_fails_ends_the_process",
        "logs that its port is taken or its config is missing, and stays",
        "says so and exits with 1",
        "otherwise somebody else's server is driven by mistake",
    ),
    Deviation(
        "bodies_and_lists_have_limits",
        "none",
        "1 MiB a body, 256 toxics a proxy, 10,000 proxies",
        "limits on everything",
    ),
    Deviation(
        "extensions_are_ours_alone",
        "knows no refuse, no blackhole, no /counters, no /events",
        "has them",
        "declared faults need them, and evidence of each fault's hits",
    ),
    Deviation(
        "a_disabled_proxy_keeps_its_port",
        "closes its listener: any program may take the port, and answer its callers",
        "the port stays bound and refuses connections until the proxy is deleted or moved",
        "a proxy that is down must be down, and must be able to come back",
    ),
    Deviation(
        "the_version_names_the_engine",
        "its version alone",
        "and that it is paychain's",
        "a run attached to a server has to know what that server can do",
    ),
    Deviation(
        "ports_are_numbers",
        "takes service names as ports",
        "unknown port",
        "a lookup in /etc/services differs between machines",
    ),
)
