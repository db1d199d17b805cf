"""Finding free numbers: every question is a few seeks in the index that holds only what is free.

How digits are found without a scan is told in docs/decisions/number-search.md.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

import phonenumbers
from sqlalchemy import Connection

from adapters.database.shelf import LONGEST, Shelf, Sifted, beyond, shelf
from domain.numbers import Grade, GradedNumber, NumberSearch
from domain.segments import Holding, holding

# A number that is looked at costs the database a tenth of a range that is sought.
_FIRST_RANGES, _MOST_RANGES = 24, 1024
_FIRST_NUMBERS, _MOST_NUMBERS = 512, 8192
REACH = 100_000
"""How many free numbers are looked at for a block: where none lies among so many, another prefix or fewer at once help more."""
NEAR = 5_000
"""The same where others wait meanwhile, and for a block of numbers that hold digits, which the database cannot look for."""
_FIRST_STRETCH, _LONGEST_STRETCH = 256, 20_000

_CODES = {f"+{code}" for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}


def country_of(e164: str) -> str:
    """The plus and the country calling code. What no plan knows has one digit of code, so that nothing is ever left out."""
    return next((e164[:end] for end in (2, 3, 4) if e164[:end] in _CODES), e164[:2])


def longest(country: str) -> int:
    """The most characters that a number of this calling code has, with its plus and code."""
    code = int(country[1:])
    lengths = [0]
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ()):
        if region == "001":
            plan = phonenumbers.PhoneMetadata.metadata_for_nongeo_region(code)
        else:
            plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if plan is not None and plan.general_desc is not None:
            lengths += plan.general_desc.possible_length
    known = len(country) + max(lengths)
    return min(known, 1 + LONGEST) if max(lengths) else 1 + LONGEST


def walk(
    connection: Connection, on: Shelf, segments: tuple[str, ...], start: str, past: str, wanted: int
) -> Iterator[GradedNumber]:
    """The free numbers from ``start`` to before ``past`` that hold all segments, ascending, as they are asked for.

    ``wanted`` is how many will probably be taken: so many are fetched at once.
    """
    if not segments:
        while page := on.page(connection, start, past, wanted):
            yield from page
            if len(page) < wanted:
                return
            start = page[-1].e164 + "0"
        return
    digits, sizes = holding(segments), _Sizes(_FIRST_NUMBERS, _FIRST_RANGES)
    country = country_of(on.first)
    if country in _CODES:
        # Where so few can match at all, it is not worth while to look at what exists first.
        ranges = list(islice(_ranges(digits, on, country, start, past), sizes.ranges))
        if len(ranges) < sizes.ranges:
            yield from _in_ranges(connection, on, ranges, wanted)
            return
    while sifted := on.sift(connection, start, past, segments, sizes.numbers):
        # Where nothing exists, nothing is sought.
        past = min(past, sifted.last + "0")
        country = country_of(sifted.first)
        found, start, sizes = _leap(connection, on, digits, country, min(past, beyond(country)), sifted, sizes, wanted)
        yield from found
        if start >= past:
            return


def _ranges(digits: Holding, on: Shelf, country: str, start: str, past: str) -> Iterator[tuple[str, str]]:
    prefix = max((on.first, country), key=len)
    for first, end in digits.ranges(country, prefix, longest(country), start):
        if first >= past:
            return
        yield first, min(end, past)


def _in_ranges(connection: Connection, on: Shelf, ranges: list[tuple[str, str]], wanted: int) -> Iterator[GradedNumber]:
    while ranges:
        found = on.in_ranges(connection, ranges, wanted)
        yield from found
        if len(found) < wanted:
            return
        after = found[-1].e164 + "0"
        ranges = [(max(first, after), end) for first, end in ranges if end > after]


@dataclass(frozen=True)
class _Sizes:
    """How long the next stretch is: so many numbers that exist, or so many ranges of numbers that would match.

    Whichever reached farther grows, so the other one costs next to nothing.
    """

    numbers: int
    ranges: int

    def more_numbers(self) -> "_Sizes":
        return replace(self, numbers=_MOST_NUMBERS)

    def more_ranges(self) -> "_Sizes":
        return replace(self, ranges=min(4 * self.ranges, _MOST_RANGES))


def _leap(
    connection: Connection,
    on: Shelf,
    digits: Holding,
    country: str,
    past: str,
    sifted: Sifted,
    sizes: _Sizes,
    wanted: int,
) -> tuple[list[GradedNumber], str, _Sizes]:
    """What matches in the next stretch of one country, where the stretch ends, and how long the next one is.

    The stretch is the longer of two: the numbers that were looked at, and some ranges of numbers that would match. One is
    long where few exist, the other where few match, so neither a sparse stock nor a rare segment is walked step by step.
    """
    seen = min(sifted.seen, past)
    matching = [number for number in sifted.found if number.e164 < past and digits.within(number.e164[len(country) :])]
    if len(matching) >= wanted or seen == past:
        return matching, seen, sizes
    ranges = list(islice(_ranges(digits, on, country, sifted.first, past), sizes.ranges))
    reached = past if len(ranges) < sizes.ranges else ranges[-1][1]
    if reached <= seen:
        return matching, seen, sizes.more_numbers()
    found = on.in_ranges(connection, ranges, wanted)
    # With as many as were wanted the ranges were given up early: what lies behind the last one was not looked at.
    return found, found[-1].e164 + "0" if len(found) == wanted else reached, sizes.more_ranges()


def search(connection: Connection, tenant: str, wish: NumberSearch) -> list[GradedNumber]:
    """Free numbers that match everything that was wished for, ``wish.count`` at most (S3-27); a block whole or not at all."""
    on = shelf(tenant, wish.pool, wish.grades or Grade, wish.prefix)
    if wish.pick == "block":
        return block(connection, on, wish.contains, wish.count)
    if wish.pick == "random":
        return _scattered(connection, on, wish.contains, wish.count)
    return list(islice(walk(connection, on, wish.contains, on.first, on.past, wish.count), wish.count))


def _scattered(connection: Connection, on: Shelf, segments: tuple[str, ...], count: int) -> list[GradedNumber]:
    """Numbers from many random places; where so many are not met, from one place on and round the end."""
    points = on.random_points(connection, 1 if segments else count)
    if not points:
        return []
    # Several times as many as wanted, of which chance takes some: what follows a gap would be met again and again otherwise.
    enough = 4 * count
    found = dict.fromkeys([] if segments else on.near(connection, points))
    onward = walk(connection, on, segments, points[0], on.past, enough)
    for number in chain(onward, walk(connection, on, segments, on.first, points[0], enough)):
        if len(found) >= enough:
            break
        found.setdefault(number)
    chosen = secrets.SystemRandom().sample(list(found), min(count, len(found)))
    return sorted(chosen, key=lambda number: number.e164)


def block(
    connection: Connection, on: Shelf, segments: tuple[str, ...], count: int, start: str = "", reach: int = REACH
) -> list[GradedNumber]:
    """The lowest ``count`` consecutive free numbers at or after ``start``; none if there are none within ``reach``."""
    start = max(on.first, start)
    if segments:
        return _block_with(connection, on, segments, count, start, min(reach, NEAR))
    looked_at, stretch = 0, _FIRST_STRETCH
    while looked_at < reach:
        first, last, size = on.first_of(connection, count, start, stretch)
        if first is not None:
            wanted = [f"+{number}" for number in range(int(first), int(first) + count)]
            there = {number.e164: number for number in on.near(connection, wanted)}
            if gone := [e164 for e164 in wanted if e164 not in there]:  # taken since: this may be no snapshot
                start = gone[-1] + "0"
                continue
            return [there[e164] for e164 in wanted]
        if size < stretch:
            return []
        looked_at, stretch = looked_at + size, min(8 * stretch, _LONGEST_STRETCH)
        # A block may begin among the last of this stretch.
        start = max(start + "0", last[:1] + str(int(last) - count + 2).zfill(len(last) - 1))
    return []


def _block_with(
    connection: Connection, on: Shelf, segments: tuple[str, ...], count: int, start: str, reach: int
) -> list[GradedNumber]:
    run: list[GradedNumber] = []
    for number in islice(walk(connection, on, segments, start, on.past, max(256, 4 * count)), reach):
        follows = run and len(run[-1].e164) == len(number.e164) and int(number.e164) == int(run[-1].e164) + 1
        run = [*run, number] if follows else [number]
        if len(run) == count:
            return run
    return []
