"""Which tests may run at once, and in which order they begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.acceptance.support.uses import (
    PASSED_OVER,
    Grant,
    Holdings,
    Planned,
    Resource,
    Schedule,
    Uses,
    alone,
    declared_by,
    longest_first,
    shared,
    shuffled,
    some,
    uses,
)

QUEUE, CALLS = Resource("queue", "sales", "cc1"), Resource("calls", "all", "cc1")
PHONES = [Resource("extension", str(number), "cc1") for number in range(1000, 1006)]


def test_what_one_has_alone_nobody_else_has() -> None:
    holdings = Holdings()
    held = holdings.grant(alone(QUEUE))
    assert held is not None
    assert QUEUE in held
    assert CALLS not in held
    assert holdings.grant(alone(QUEUE)) is None
    assert holdings.grant(shared(QUEUE)) is None
    assert holdings.grant(alone(CALLS)) is not None
    holdings.give_back(held)
    assert holdings.grant(shared(QUEUE)) is not None


def test_many_share_and_whoever_wants_it_alone_waits_for_the_last() -> None:
    holdings = Holdings()
    first, second = holdings.grant(shared(CALLS)), holdings.grant(shared(CALLS))
    assert first is not None
    assert second is not None
    holdings.give_back(first)
    assert holdings.grant(alone(CALLS)) is None
    holdings.give_back(second)
    assert holdings.grant(alone(CALLS)) is not None


def test_the_same_of_two_hosts_is_not_the_same() -> None:
    holdings = Holdings()
    assert holdings.grant(alone(QUEUE)) is not None
    assert holdings.grant(alone(QUEUE._replace(host="cc2"))) is not None


def test_two_tests_are_granted_different_ones_of_many() -> None:
    holdings = Holdings()
    wanted = some("numbers", 2, PHONES[:5])
    first, second = holdings.grant(wanted), holdings.grant(wanted)
    assert first is not None
    assert second is not None
    assert first.names("numbers") == ["1000", "1001"]
    assert second.names("numbers") == ["1002", "1003"]
    assert holdings.grant(wanted) is None
    assert holdings.grant(alone(PHONES[0])) is None
    holdings.give_back(first)
    # Those that nobody had yet, then those that were given back longest ago.
    third = holdings.grant(wanted)
    assert third is not None
    assert third.names("numbers") == ["1004", "1000"]


def test_of_too_few_none_are_granted_and_nobody_waits_for_more() -> None:
    holdings = Holdings()
    wanted = some("plain", 4, PHONES[:3]) | alone(PHONES[5])
    held = holdings.grant(wanted)
    assert held is not None
    assert held.names("plain") == []
    assert held.names("of another name") == []


def test_what_a_test_names_is_not_granted_to_it_a_second_time() -> None:
    held = Holdings().grant(alone(PHONES[0]) | some("caller", 1, PHONES[:2]))
    assert held is not None
    assert held.names("caller") == ["1001"]


def test_uses_add_up() -> None:
    both = alone(QUEUE) | shared(QUEUE, CALLS) | some("a", 1, PHONES) | some("a", 1, PHONES)
    assert both == Uses(frozenset({QUEUE}), frozenset({CALLS}), some("a", 1, PHONES).some)


def test_a_declaration_goes_next_to_its_function() -> None:
    @pytest.fixture
    @uses(lambda given: alone(QUEUE))
    def queue() -> None: ...

    with pytest.raises(TypeError, match=r"below @pytest\.fixture"):
        uses(lambda given: alone(QUEUE))(queue)
    assert declared_by(print) == ()


def ran(tests: list[Planned], at_once: int = 2) -> list[int]:
    """Return the order in which tests begin that all take one step."""
    schedule, order, running = Schedule(tests, at_once), [], []
    while True:
        while started := schedule.start():
            order.append(started[0])
            running.append(started[0])
        if not running:
            return order
        schedule.done(running.pop(0))


def test_as_many_run_at_once_as_may() -> None:
    schedule = Schedule([Planned(n, Uses()) for n in range(3)], 2)
    assert [schedule.start(), schedule.start()] == [(0, Grant()), (1, Grant())]
    assert schedule.start() is None
    schedule.done(0)
    assert schedule.start() == (2, Grant())
    assert schedule.left == 0


def test_whoever_cannot_begin_lets_others_go_first() -> None:
    tests = [Planned(0, alone(QUEUE)), Planned(1, alone(QUEUE)), Planned(2, alone(CALLS))]
    assert ran(tests) == [0, 2, 1]


def test_nobody_is_passed_over_for_ever() -> None:
    """One wants alone what all others share, and there is always another that runs."""
    others = [Planned(n, shared(CALLS)) for n in range(1, 100)]
    order = ran([others[0], Planned(0, alone(CALLS)), *others[1:]])
    assert order.index(0) <= PASSED_OVER + 3


def test_nobody_waits_for_ever_for_enough_of_some() -> None:
    others = [Planned(n, some("pair", 2, PHONES)) for n in range(1, 100)]
    order = ran([*others[:3], Planned(0, some("all", 6, PHONES)), *others[3:]], at_once=3)
    assert order.index(0) <= PASSED_OVER + 6


def test_the_longest_queue_begins_first_and_who_stops_everybody_comes_last() -> None:
    tests = [
        Planned(0, alone(CALLS), 1),
        Planned(1, shared(CALLS), 9),
        Planned(2, shared(CALLS) | alone(QUEUE), 6),
        Planned(3, shared(CALLS) | alone(QUEUE), 7),
        Planned(4, shared(CALLS), 8),
    ]
    assert [one.index for one in longest_first(tests)] == [3, 2, 1, 4, 0]


def test_whoever_needs_the_most_of_a_queue_begins_first() -> None:
    tests = [Planned(0, alone(PHONES[0]), 9), Planned(1, alone(*PHONES), 1)]
    assert [one.index for one in longest_first(tests)] == [1, 0]


def test_nothing_is_kept_for_who_waits_for_another_anyway() -> None:
    """A long queue for one thing does not hold up those who use what its last one needs"""
    queue = [Planned(n, alone(QUEUE)) for n in range(1, 20)]
    last = Planned(0, alone(QUEUE, *PHONES))
    others = [Planned(n, alone(PHONES[n % 6])) for n in range(20, 80)]
    order = ran([*queue, last, *others], at_once=3)
    assert order.index(0) > 50


def test_a_seed_stands_for_an_order() -> None:
    tests = [Planned(n, Uses()) for n in range(20)]
    assert shuffled(tests, 7) == shuffled(tests, 7) != shuffled(tests, 8)
    assert sorted(one.index for one in shuffled(tests, 7)) == list(range(20))


resources = st.sets(st.sampled_from([*PHONES, QUEUE, CALLS]), max_size=3)
wanted = st.builds(
    lambda mine, theirs, count, of: alone(*mine) | shared(*theirs) | some("some", count, of),
    resources,
    resources,
    st.integers(0, 3),
    st.lists(st.sampled_from(PHONES), max_size=6),
)


@given(st.lists(wanted, max_size=40), st.integers(1, 8), st.randoms())
def test_all_run_once_and_never_beside_who_uses_the_same(
    many: list[Uses], at_once: int, random: object
) -> None:
    schedule = Schedule([Planned(n, one) for n, one in enumerate(many)], at_once)
    running: dict[int, Grant] = {}
    ran: list[int] = []
    while True:
        while started := schedule.start():
            index, grant = started
            for other in running.values():
                assert grant.alone.isdisjoint(other.alone | other.shared)
                assert grant.shared.isdisjoint(other.alone)
            [pool] = many[index].some or [None]
            if pool is not None:
                enough = len(set(pool.of) - many[index].alone) >= pool.count
                assert len(grant.names("some")) == (pool.count if enough else 0)
            running[index] = grant
            ran.append(index)
        assert len(running) <= at_once
        if not running:
            break
        done = random.choice(sorted(running))  # type: ignore[attr-defined]
        del running[done]
        schedule.done(done)
    assert sorted(ran) == list(range(len(many)))
