"""Rules to the tables that the native core and the reference definition read."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from grammar.errors import RuleError
from grammar.rules.model import LanguageRules, LexemeRule, LexemeVariant, Reduce, StackRule, State
from grammar.rules.regex import MAX_SETS, NUM_CLASSES, Dfa, compile_regex

REJECT = 0xFFFF  # of stack rules
DEAD = 255  # of lexeme rules
NO_SYMBOL = 0xFFFF
_OWN = "/own"
MAX_STATES = 2000  # a reduce table has as many entries, squared


@dataclass(frozen=True)
class SymbolNames:
    """A grammar's symbols: terminals first, then nonterminals. One name may belong to several symbols."""

    names: Sequence[str]
    token_count: int

    def terminals(self, name: str) -> list[int]:
        """Give the terminals of this name."""
        return [i for i in range(self.token_count) if self.names[i] == name]

    def nonterminals(self, name: str) -> list[int]:
        """Give the nonterminals of this name."""
        return [i for i in range(self.token_count, len(self.names)) if self.names[i] == name]


@dataclass(frozen=True)
class StackTable:
    """One stack rule, as 16-bit numbers in native order.

    shift[state * terminals + terminal], reduce[nonterminal][below * states + top], settle[below]. `merged`: triples
    (parser state, state, representative) of states that no continuation can tell apart, see csrc/merging.h.
    tops: see StackRule.
    """

    name: str
    num_states: int
    shift: bytes
    reduce: dict[int, bytes]
    settle: bytes
    lex_flags: list[int]
    merged: bytes = b""
    tops: list[int] = field(default_factory=list[int])


@dataclass(frozen=True)
class LexemeTable:
    """One lexeme rule; next[state * NUM_CLASSES + character class].

    variants  of a rule that only tells lexemes apart: the pseudo-terminals that the numbers in `accepting` stand for.
    """

    terminals: list[int]
    num_states: int
    next: bytes
    accepting: bytes
    commit: bytes
    variants: list[int] = field(default_factory=list[int])


@dataclass(frozen=True)
class RuleTables:
    """What the native core receives. The last pseudo-terminal is "bad": a lexeme that a rule refused.

    character_sets  as ranges: first, last, first, last, …
    glued           terminal, character, terminal, character, …: the one is never followed by the other.
    named, own      see OwnNames: the terminal and its pseudo-terminal; NO_SYMBOL: the language has none.
    """

    pseudo_base: list[int] = field(default_factory=lambda: [NO_SYMBOL])
    rules: list[StackTable] = field(default_factory=list[StackTable])
    reserved: list[int] = field(default_factory=list[int])
    unreserved: list[int] = field(default_factory=list[int])
    word_places: list[int] = field(default_factory=list[int])
    word_marks: list[int] = field(default_factory=list[int])
    lexeme_filters: list[LexemeTable] = field(default_factory=list[LexemeTable])
    blanks: bytes = b""
    endings: list[bytes] = field(default_factory=list[bytes])
    openers: list[bytes] = field(default_factory=list[bytes])
    block_openers: list[bytes] = field(default_factory=list[bytes])
    character_sets: list[list[int]] = field(default_factory=list[list[int]])
    glued: list[int] = field(default_factory=list[int])
    line_comments: list[int] = field(default_factory=list[int])
    line_ends: list[int] = field(default_factory=list[int])
    in_line_flag: int = 0
    named: int = NO_SYMBOL
    own: int = NO_SYMBOL
    naming_flag: int = 0
    own_ends: bytes = b""


def compile_rules(rules: LanguageRules, symbols: SymbolNames) -> RuleTables:
    """Give the tables of a language's rules. Raises RuleError, naming the rule and the symbol."""
    pseudo_base: list[int] = []
    terminal_names = list(symbols.names[: symbols.token_count])
    by_text = [(variant.terminal, len(variant.patterns) + 1) for variant in rules.lexeme_variants]
    for base, count in (*rules.variants, *by_text):
        (base_id,) = _known(symbols.terminals(base), base, "variants")
        pseudo_base += [base_id] * count
        terminal_names += [f"{base}/{i}" for i in range(count)]
    named = own = NO_SYMBOL
    if rules.own_names is not None:
        (named,) = _known(symbols.terminals(rules.own_names.terminal), rules.own_names.terminal, "own names")
        own = len(terminal_names)
        pseudo_base.append(named)
        terminal_names.append(rules.own_names.terminal + _OWN)
    pseudo_base.append(NO_SYMBOL)
    terminal_names.append("bad")
    numbers = {name: number for number, name in enumerate(terminal_names)}
    if len(rules.characters) > MAX_SETS:
        raise RuleError(f"expected at most {MAX_SETS} sets of characters, got {len(rules.characters)}")
    return RuleTables(
        pseudo_base=pseudo_base,
        rules=[_stack_table(rule, terminal_names, symbols, rules.extras) for rule in rules.stack_rules],
        reserved=[i for word in rules.reserved for i in _known(symbols.terminals(word), word, "reserved")],
        unreserved=[
            i for name in rules.unreserved for i in _known(symbols.terminals(name), name, "unreserved")
        ],
        word_places=[
            i for name in rules.word_places for i in _known(symbols.nonterminals(name), name, "word places")
        ],
        word_marks=[
            i for name in rules.word_marks for i in _known(symbols.terminals(name), name, "word marks")
        ],
        lexeme_filters=[
            *(_lexeme_table(rule, symbols) for rule in rules.lexeme_rules),
            *(_variant_table(variant, symbols, numbers) for variant in rules.lexeme_variants),
        ],
        blanks=rules.blanks.encode(),
        endings=[text.encode() for text in rules.endings],
        openers=[text.encode() for text in rules.openers],
        block_openers=[text.encode() for text in rules.block_openers],
        glued=_glued(rules.operators, symbols),
        character_sets=[_ranges(contains) for contains in rules.characters],
        line_comments=[numbers[name] for name in rules.line_comments],
        line_ends=[numbers[name] for name in rules.line_ends],
        in_line_flag=rules.in_line_flag,
        named=named,
        own=own,
        naming_flag=rules.own_names.flag if rules.own_names else 0,
        own_ends=rules.own_names.ends.encode() if rules.own_names else b"",
    )


def _known(ids: list[int], name: str, rule: str) -> list[int]:
    if not ids:
        raise RuleError(f"rule {rule!r}: the grammar has no symbol {name!r}")
    return ids


def _stack_table(
    rule: StackRule, terminals: list[str], symbols: SymbolNames, extras: tuple[str, ...]
) -> StackTable:
    numbers: dict[State, int] = {rule.start: 0}
    order: list[State] = [rule.start]

    def number(state: State | None) -> int:
        if state is None:
            return REJECT
        if state not in numbers:
            if len(order) == MAX_STATES:
                raise RuleError(f"rule {rule.name!r}: expected at most {MAX_STATES} states")
            numbers[state] = len(order)
            order.append(state)
        return numbers[state]

    def shifted(state: State, name: str) -> State | None:
        is_extra = name in extras or name.rpartition("/")[0] in extras
        if is_extra and not rule.sees_extras:
            return state
        return rule.shift(state, name if rule.sees_own_names else name.removesuffix(_OWN))

    tops = [numbers[state] for state in rule.tops if number(state) != REJECT]
    nonterminals = {name: _known(symbols.nonterminals(name), name, rule.name) for name in rule.reduce}
    shift: list[int] = []
    # Many nonterminals share a function, and each pair of states is a call.
    reduced: dict[Reduce, dict[tuple[State, State], int]] = {reduce: {} for reduce in rule.reduce.values()}
    done = -1
    while done != len(order):  # states that shifts reach, then states that reduces reach, until none is new
        done = len(order)
        for state in order[len(shift) // len(terminals) :]:
            shift += [number(shifted(state, name)) for name in terminals]
            number(rule.settle(state))
        for reduce, known in reduced.items():
            for below in tuple(order):
                for top in tuple(order):
                    if (below, top) not in known:
                        known[below, top] = number(reduce(below, top))
    packed = {
        reduce: _packed(known[below, top] for below in order for top in order)
        for reduce, known in reduced.items()
    }
    tables = {symbol: packed[rule.reduce[name]] for name, ids in nonterminals.items() for symbol in ids}
    flags = [rule.lex_flags(state) for state in order]
    settle = _packed(number(rule.settle(state)) for state in order)
    return StackTable(rule.name, len(order), _packed(shift), tables, settle, flags, tops=tops)


def _packed(numbers: Iterable[int]) -> bytes:
    return array("H", numbers).tobytes()


def _lexeme_table(rule: LexemeRule, symbols: SymbolNames) -> LexemeTable:
    terminals = [i for name in rule.terminals for i in _known(symbols.terminals(name), name, rule.pattern)]
    main = compile_regex(rule.pattern)
    if rule.commit is None:
        return LexemeTable(terminals, main.num_states, main.next, main.accepting, bytes(main.num_states))
    return _product(terminals, main, compile_regex(rule.commit))


def _variant_table(variant: LexemeVariant, symbols: SymbolNames, numbers: dict[str, int]) -> LexemeTable:
    terminals = _known(symbols.terminals(variant.terminal), variant.terminal, "lexeme variants")
    dfas = [compile_regex(pattern) for pattern in variant.patterns]
    order, table = _run_together(dfas)

    def number(states: tuple[int, ...]) -> int:
        matches = (
            i
            for i, (dfa, s) in enumerate(zip(dfas, states, strict=True), 1)
            if s != DEAD and dfa.accepting[s]
        )
        return next(matches, 0)

    ids = [numbers[f"{variant.terminal}/{i}"] for i in range(len(dfas) + 1)]
    return LexemeTable(
        terminals, len(order), table, bytes(map(number, order)), bytes(len(order)), variants=ids
    )


def _glued(operators: tuple[str, ...], symbols: SymbolNames) -> list[int]:
    pairs: list[int] = []
    for longer in operators:
        for terminal in symbols.terminals(longer[:-1]):
            pairs += [terminal, ord(longer[-1])]
    return pairs


def _ranges(contains: Callable[[str], bool]) -> list[int]:
    """Give the characters beyond ASCII for which it holds: first, last, first, last of each range."""
    ends: list[int] = []
    inside = False
    for code in range(128, 0x110000):
        is_member = not 0xD800 <= code < 0xE000 and contains(chr(code))
        if is_member != inside:
            ends.append(code if is_member else code - 1)
        inside = is_member
    return [*ends, 0x10FFFF] if inside else ends


def _product(terminals: list[int], main: Dfa, commit: Dfa) -> LexemeTable:
    order, table = _run_together([main, commit])
    accepting = bytes(a != DEAD and bool(main.accepting[a]) for a, _ in order)
    committed = bytes(b != DEAD and bool(commit.accepting[b]) for _, b in order)
    return LexemeTable(terminals, len(order), table, accepting, committed)


def _run_together(dfas: Sequence[Dfa]) -> tuple[list[tuple[int, ...]], bytes]:
    """Run patterns side by side; each may be dead without the others. Gives the states and their table."""
    start = (0,) * len(dfas)
    numbers: dict[tuple[int, ...], int] = {start: 0}
    order: list[tuple[int, ...]] = [start]
    table: list[int] = []
    for states in order:  # grows while it is walked
        for cls in range(NUM_CLASSES):
            after = tuple(
                dfa.next[s * NUM_CLASSES + cls] if s != DEAD else DEAD
                for dfa, s in zip(dfas, states, strict=True)
            )
            if set(after) == {DEAD}:
                table.append(DEAD)
                continue
            if after not in numbers:
                numbers[after] = len(order)
                order.append(after)
            table.append(numbers[after])
    if len(order) >= DEAD:
        raise RuleError(f"expected at most {DEAD - 1} states of a lexeme rule, got {len(order)}")
    return order, bytes(table)
