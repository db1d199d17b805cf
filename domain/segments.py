"""Which numbers hold certain digits: counted out instead of looked for.

A number is a short word over ten letters, so the numbers that hold ``737`` can be listed in order without asking anybody which
exist. A search then seeks those in the index of free numbers, and a rare segment costs no scan, however large the stock
(docs/decisions/number-search.md).
"""

from collections import deque
from collections.abc import Iterator
from functools import lru_cache

_DIGITS = "0123456789"
_PAST = ":"  # the character after 9: every text that begins with w is less than w + ":"


class Holding:
    """The numbers whose national part holds every one of these digit segments; they may overlap.

    It is an automaton (Aho and Corasick, 1975): a state is how much of each segment the digits so far end with, and which
    segments have occurred; beside each state, how many more digits are needed at least.
    """

    def __init__(self, segments: tuple[str, ...]) -> None:
        self._all = (1 << len(segments)) - 1
        nodes = _trie(segments)
        self._moves: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {}
        waiting = deque([(0, 0)])
        while waiting:
            state = waiting.popleft()
            if state in self._moves:
                continue
            node, had = state
            steps = ((following, had | found) for following, found in nodes[node])
            # What all have occurred in stays so, wherever it goes on: one state is enough for it.
            moves = tuple((0, self._all) if mask == self._all else (following, mask) for following, mask in steps)
            self._moves[state] = moves
            waiting.extend(moves)
        self._needed = self._distances()
        self._open: dict[tuple[tuple[int, int], int], tuple[tuple[str, tuple[int, int]], ...]] = {}

    def within(self, national: str) -> bool:
        """Whether every segment occurs in these digits."""
        return self._after(national)[1] == self._all

    def ranges(self, country: str, prefix: str, length: int, start: str) -> Iterator[tuple[str, str]]:
        """Ranges of E.164 texts, first included and second not, ascending, that together hold every such number.

        ``country`` is the plus and the calling code, ``prefix`` begins with it; numbers have at most ``length`` characters,
        and nothing before ``start`` is given. Every number within a range holds all segments.
        """
        waiting = [(prefix, self._after(prefix[len(country) :]))]
        while waiting:
            text, state = waiting.pop()
            if state[1] == self._all:
                yield max(text, start), text + _PAST
                continue
            following = self._within_reach(state, length - len(text))
            waiting.extend((text + digit, then) for digit, then in following if text + digit + _PAST > start)

    def _after(self, digits: str) -> tuple[int, int]:
        state = (0, self._all) if self._all == 0 else (0, 0)
        for digit in digits:
            state = self._moves[state][int(digit)]
        return state

    def _within_reach(self, state: tuple[int, int], room: int) -> tuple[tuple[str, tuple[int, int]], ...]:
        """Digits after which the segments still fit into what is left, the highest first: they are taken from the end."""
        known = self._open.get((state, room))
        if known is None:
            pairs = zip(reversed(_DIGITS), reversed(self._moves[state]), strict=True)
            known = tuple((digit, then) for digit, then in pairs if self._needed[then] < room)
            self._open[state, room] = known
        return known

    def _distances(self) -> dict[tuple[int, int], int]:
        before: dict[tuple[int, int], set[tuple[int, int]]] = {state: set() for state in self._moves}
        for state, moves in self._moves.items():
            for then in moves:
                before[then].add(state)
        ends = [state for state in self._moves if state[1] == self._all]
        needed, waiting = dict.fromkeys(ends, 0), deque(ends)
        while waiting:
            state = waiting.popleft()
            for earlier in before[state]:
                if earlier not in needed:
                    needed[earlier] = needed[state] + 1
                    waiting.append(earlier)
        return needed


def _trie(segments: tuple[str, ...]) -> list[tuple[tuple[int, int], ...]]:
    """For each node and digit: the node that follows, and the mask of the segments that end there."""
    children: list[dict[str, int]] = [{}]
    ends = [0]
    for place, segment in enumerate(segments):
        node = 0
        for digit in segment:
            if digit not in children[node]:
                children[node][digit] = len(children)
                children.append({})
                ends.append(0)
            node = children[node][digit]
        ends[node] |= 1 << place
    follow = [[0] * 10 for _ in children]
    fallback = [0] * len(children)
    waiting = deque([0])
    while waiting:
        node = waiting.popleft()
        ends[node] |= ends[fallback[node]]
        for at, digit in enumerate(_DIGITS):
            child = children[node].get(digit)
            otherwise = follow[fallback[node]][at] if node else 0
            if child is None:
                follow[node][at] = otherwise
            else:
                follow[node][at] = child
                fallback[child] = otherwise
                waiting.append(child)
    return [tuple((then, ends[then]) for then in row) for row in follow]


@lru_cache(maxsize=256)
def holding(segments: tuple[str, ...]) -> Holding:
    """``Holding`` of these segments; those asked for lately are kept, with what they have learned."""
    return Holding(segments)
