"""T3: a page is heard by the phones of its group that are free, and by nobody else."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from callcenter.site import PagingGroup
from tests.acceptance.conftest import all_free
from tests.acceptance.support.audio import assert_heard, assert_not_heard
from tests.acceptance.support.given import Given
from tests.acceptance.support.phones import Call
from tests.acceptance.support.uses import Uses, alone, uses
from tests.acceptance.test_t2_call import CALLEE_HZ, CALLER_HZ, MakePhone, connect

BEEP_HZ = 640.0


def first_group(given: Given) -> PagingGroup | None:
    """Return the group that is paged: the first whose phones are free, else the first."""
    groups = given.site.paging_groups
    free = [one for one in groups if set(one.members) <= set(given.free)]
    return next(iter((*free, *groups)), None)


def pager(given: Given, group: PagingGroup) -> str | None:
    """Return the extension that pages: one that is allowed to, and best no member."""
    allowed = [number for number in given.free if group.admits(number)]
    return next(iter((*(one for one in allowed if one not in group.members), *allowed)), None)


def paging_used(given: Given) -> Uses:
    """Name everybody in the group, and who pages it."""
    if (group := first_group(given)) is None:
        return Uses()
    by = pager(given, group)
    numbers = [*group.members, *([by] if by is not None else [])]
    return alone(given.resource("paging_groups", group.name), *given.extensions(numbers))


@uses(paging_used)
def test_page(given: Given, plain: list[str], phone: MakePhone, free: Collection[str]) -> None:
    """Free phones answer by themselves and hear who pages; who talks is left alone"""
    if (group := first_group(given)) is None:
        pytest.skip("the Site has no paging group")
    all_free(free, group.members)
    if (by := pager(given, group)) is None:
        pytest.skip("no extension that --phones names may page the group")
    caller = phone(by, answers_itself=True)
    paged = [phone(one, answers_itself=True) for one in group.members if one != by]
    if not paged:
        pytest.skip("nobody is paged but whoever pages")
    talks: list[Call] = []
    if len(paged) > 1:
        talks += connect(phone(plain[0]), paged.pop())
    page = caller.call(group.number)
    calls = [one.incoming() for one in paged]
    page.wait_established()
    # It lasts half a second.
    assert_heard(page, BEEP_HZ, 0.2)
    page.forget()
    for call in calls:
        call.wait_established()
        call.play(CALLEE_HZ)
    page.play(CALLER_HZ)
    for call in calls:
        assert_heard(call, CALLER_HZ, 2)
        assert_not_heard(call, CALLEE_HZ)
    assert_not_heard(page, CALLEE_HZ)
    for one in paged:
        invite = one.wait_message(lambda m: m.method == "INVITE" and m.status is None)
        assert "answer-after=0" in invite.header("call-info")
        assert "alert-autoanswer" in invite.header("alert-info")
    for talk, tone in zip(talks, (CALLEE_HZ, CALLER_HZ), strict=False):
        talk.forget()
        assert_heard(talk, tone, 1)
    stranger = phone(plain[1])
    refusal = stranger.call(group.number).wait_ended()
    assert refusal.code == (486 if group.admits(plain[1]) else 403)
    page.hangup()
    for call in calls:
        assert call.wait_ended().by == "them"
