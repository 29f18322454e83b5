"""Which part of a completion's prefix and suffix to keep within a number of tokens.

Of the prefix its end is kept, of the suffix its start: what lies nearest to the cursor. Knows text and a way to
count its tokens; knows no template and no tokenizer.
"""

import re
from collections.abc import Callable, Sequence


def keep_around_cursor(
    prefix: str, suffix: str, room: int, num_tokens: Callable[[str], int]
) -> tuple[str, str]:
    """Cut both sides to `room` tokens together; give what is kept of them.

    3/4 and 1/4 of the room are theirs; what one side leaves unused goes to the other. Cuts fall on line starts
    unless that would leave more than half of a side's room empty.
    """
    prefix_room, suffix_room = _share(room, num_tokens(prefix), num_tokens(suffix))
    left = prefix[_prefix_start(prefix, prefix_room, num_tokens) :]
    right = suffix[: _suffix_end(suffix, suffix_room, num_tokens)]
    return left, right


def _share(room: int, prefix_tokens: int, suffix_tokens: int) -> tuple[int, int]:
    suffix_room = min(suffix_tokens, max(room // 4, room - prefix_tokens))
    return room - suffix_room, suffix_room


def _prefix_start(prefix: str, room: int, num_tokens: Callable[[str], int]) -> int:
    line_starts = [0, *(match.end() for match in re.finditer(r"\n", prefix))]
    at_line = _first_fitting(line_starts, lambda start: num_tokens(prefix[start:]) <= room)
    if at_line is not None and (at_line == 0 or num_tokens(prefix[at_line:]) * 2 >= room):
        return at_line
    at_char = _first_fitting(range(len(prefix) + 1), lambda start: num_tokens(prefix[start:]) <= room)
    return len(prefix) if at_char is None else at_char


def _suffix_end(suffix: str, room: int, num_tokens: Callable[[str], int]) -> int:
    line_ends = [len(suffix), *(match.end() for match in reversed(list(re.finditer(r"\n", suffix))))]
    at_line = _first_fitting(line_ends, lambda end: num_tokens(suffix[:end]) <= room)
    if at_line is not None and (at_line == len(suffix) or num_tokens(suffix[:at_line]) * 2 >= room):
        return at_line
    at_char = _first_fitting(range(len(suffix), -1, -1), lambda end: num_tokens(suffix[:end]) <= room)
    return 0 if at_char is None else at_char


def _first_fitting(cuts: Sequence[int], fits: Callable[[int], bool]) -> int | None:
    # Bisection: a longer text seldom takes fewer tokens. Where it does, the cut found is a little too deep, but
    # every cut returned was itself tried.
    low, high = 0, len(cuts)
    while low < high:
        middle = (low + high) // 2
        if fits(cuts[middle]):
            high = middle
        else:
            low = middle + 1
    return cuts[high] if high < len(cuts) else None
