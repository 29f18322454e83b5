r"""A small subset of regular expressions, compiled to automata over ASCII and classes of what lies beyond.

Literals, escapes, classes ([a-z], [^\n], \d \w \s), groups, | * + ? {m} {m,n}, and `.` (anything but a line
feed). \1 and \2 are the sets of characters beyond ASCII that a language names (`LanguageRules.characters`); a literal
beyond ASCII stands for all of them. Built by derivatives (Brzozowski 1964): short, and the automaton comes out nearly
minimal.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_SETS = 2
NUM_CLASSES = 128 + (1 << MAX_SETS)  # ASCII characters, then the others: 128 + 1 (in set 1) + 2 (in set 2)
_ALL = (1 << NUM_CLASSES) - 1
_DIGITS = sum(1 << ord(c) for c in "0123456789")
_WORD = _DIGITS | sum(1 << ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACE = sum(1 << ord(c) for c in " \t\r\n\f\v")
_BEYOND = _ALL & ~((1 << 128) - 1)
_SETS = {
    str(k + 1): sum(1 << c for c in range(128, NUM_CLASSES) if c - 128 >> k & 1) for k in range(MAX_SETS)
}
_NAMED = {"d": _DIGITS, "w": _WORD, "s": _SPACE, **_SETS}
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}

# A regular expression: ("set", bits), ("cat", a, b), ("or", frozenset), ("star", a), ("empty",), ("never",)
Regex = tuple[object, ...]
EMPTY: Regex = ("empty",)
NEVER: Regex = ("never",)


@dataclass(frozen=True)
class Dfa:
    """next[state * NUM_CLASSES + class] is the next state or 255; state 0 is the start."""

    num_states: int
    next: bytes
    accepting: bytes


def _cat(a: Regex, b: Regex) -> Regex:
    if NEVER in (a, b):
        return NEVER
    if a == EMPTY:
        return b
    return a if b == EMPTY else ("cat", a, b)


def _either(*parts: Regex) -> Regex:
    flat: set[Regex] = set()
    for part in parts:
        flat |= set(part[1]) if part[0] == "or" else {part}  # type: ignore[call-overload]
    flat.discard(NEVER)
    if not flat:
        return NEVER
    return next(iter(flat)) if len(flat) == 1 else ("or", frozenset(flat))


def _star(a: Regex) -> Regex:
    return EMPTY if a in (EMPTY, NEVER) else a if a[0] == "star" else ("star", a)


def nullable(r: Regex) -> bool:
    """Say whether the expression matches the empty text."""
    match r:
        case ("empty",) | ("star", _):
            return True
        case ("cat", a, b):
            return nullable(a) and nullable(b)  # type: ignore[arg-type]
        case ("or", parts):
            return any(nullable(p) for p in parts)  # type: ignore[union-attr]
        case _:
            return False


def derive(r: Regex, cls: int) -> Regex:
    """Give what may follow after one character of the class."""
    match r:
        case ("set", bits):
            return EMPTY if bits >> cls & 1 else NEVER  # type: ignore[operator]
        case ("cat", a, b):
            first = _cat(derive(a, cls), b)  # type: ignore[arg-type]
            return _either(first, derive(b, cls)) if nullable(a) else first  # type: ignore[arg-type]
        case ("or", parts):
            return _either(*(derive(p, cls) for p in parts))  # type: ignore[union-attr]
        case ("star", a):
            return _cat(derive(a, cls), r)  # type: ignore[arg-type]
        case _:
            return NEVER


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def fail(self, expected: str) -> ValueError:
        return ValueError(f"pattern {self.pattern!r}: expected {expected} at {self.at}")

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise self.fail("another character")
        self.at += 1
        return char

    def alternatives(self) -> Regex:
        parts = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.sequence())
        return _either(*parts)

    def sequence(self) -> Regex:
        result = EMPTY
        while self.peek() not in ("", "|", ")"):
            result = _cat(result, self.repeated())
        return result

    def repeated(self) -> Regex:
        atom = self.atom()
        while self.peek() and self.peek() in "*+?{":
            match self.take():
                case "*":
                    atom = _star(atom)
                case "+":
                    atom = _cat(atom, _star(atom))
                case "?":
                    atom = _either(atom, EMPTY)
                case _:
                    end = self.pattern.index("}", self.at)
                    low, _, high = self.pattern[self.at : end].partition(",")
                    self.at = end + 1
                    atom = _repeat(atom, int(low), int(high or low))
        return atom

    def atom(self) -> Regex:
        match char := self.take():
            case "(":
                inner = self.alternatives()
                if self.take() != ")":
                    raise self.fail("')'")
                return inner
            case "[":
                return ("set", self.char_class())
            case ".":
                return ("set", _ALL & ~(1 << ord("\n")))
            case "\\":
                return ("set", self.escape())
            case _:
                return ("set", _bit(char))

    def escape(self) -> int:
        char = self.take()
        return _NAMED.get(char) or _bit(_CONTROL.get(char, char))

    def char_class(self) -> int:
        negated = self.peek() == "^"
        self.at += negated
        bits = 0
        while (char := self.take()) != "]":
            if char == "\\":
                bits |= self.escape()
            elif self.peek() == "-" and self.pattern[self.at + 1] != "]":
                self.at += 1
                for code in range(ord(char), ord(self.take()) + 1):
                    bits |= 1 << code
            else:
                bits |= _bit(char)
        return _ALL & ~bits if negated else bits


def _repeat(atom: Regex, low: int, high: int) -> Regex:
    result = EMPTY
    for _ in range(high - low):
        result = _either(EMPTY, _cat(atom, result))
    for _ in range(low):
        result = _cat(atom, result)
    return result


def _bit(char: str) -> int:
    return 1 << ord(char) if ord(char) < 128 else _BEYOND


def compile_regex(pattern: str) -> Dfa:
    """Give the automaton of a pattern. Raises ValueError for syntax outside the subset or over 254 states."""
    parser = _Parser(pattern)
    start = parser.alternatives()
    if parser.at != len(pattern):
        raise parser.fail("the end of the pattern")
    numbers, order = {start: 0}, [start]
    table: list[int] = []
    for state in order:  # grows while it is walked
        for cls in range(NUM_CLASSES):
            after = derive(state, cls)
            if after == NEVER:
                table.append(255)
                continue
            if after not in numbers:
                numbers[after] = len(order)
                order.append(after)
            table.append(numbers[after])
    if len(order) > 254:
        raise ValueError(f"pattern {pattern!r}: expected at most 254 states, got {len(order)}")
    return Dfa(len(order), bytes(table), bytes(nullable(r) for r in order))
