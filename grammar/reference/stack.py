"""The LR stack as a value that is never changed, with the language's stack rules riding on it.

    bottom <- (1) <- (53) <- (207)        a stack is its top node; pushing makes a new node, popping follows `below`,
                  <- (61)                 and two stacks share what they have in common

Every node carries the state of every rule, its context (grammar/rules/model.py). A step that a rule rejects is no
step: that parse ends.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from grammar.reference.parse_table import (
    END,
    START_STATE,
    Accept,
    ParseTable,
    Reduce,
    Shift,
    ShiftExtra,
)
from grammar.rules.compile import NO_SYMBOL, REJECT, RuleTables, StackTable

Context = tuple[int, ...]  # one state a rule
MAX_NAME_BYTES = 255  # the native core keeps no longer ones (csrc/names.h)


class Stack:
    """A node, and so the stack below it. Equal stacks are the same object: a node remembers what stands on it."""

    __slots__ = ("_above", "below", "context", "name", "state")

    def __init__(self, below: Stack | None, state: int, context: Context, name: str | None = None) -> None:
        self.below, self.state, self.context, self.name = below, state, context, name
        self._above: dict[tuple[int, Context, str | None], Stack] = {}

    def push(self, state: int, context: Context, name: str | None = None) -> Stack:
        """Give the stack with one more node; `name`: what it names (see OwnNames)."""
        key = state, context, name
        if key not in self._above:
            self._above[key] = Stack(self, state, context, name)
        return self._above[key]

    def enclosing_name(self) -> str | None:
        """Give the innermost name on the stack."""
        node: Stack | None = self
        while node is not None and node.name is None:
            node = node.below
        return node.name if node is not None else None

    def pop(self, count: int) -> Stack:
        """Give the stack without its last nodes."""
        node = self
        for _ in range(count):
            assert node.below is not None, "a reduction pops no more than was pushed"
            node = node.below
        return node


class StackRules:
    """The rules of a language as one automaton over contexts. None: a rule rejects."""

    def __init__(self, tables: RuleTables, num_terminals: int) -> None:
        self._rules = [_Rule(table, num_terminals + len(tables.pseudo_base)) for table in tables.rules]
        self.shift, self.reduce = functools.cache(self._shift), functools.cache(self._reduce)
        self.lex_flags = functools.cache(self._lex_flags)

    def starts(self, top: int) -> Context:
        """Give the context of the empty text."""
        return tuple(rule.tops[top - 1] if 0 < top <= len(rule.tops) else 0 for rule in self._rules)

    def _shift(self, context: Context, terminal: int) -> Context | None:
        """Give the context after a terminal."""
        after = [rule.shift(state, terminal) for rule, state in zip(self._rules, context, strict=True)]
        return None if REJECT in after else tuple(after)

    def _reduce(self, below: Context, nonterminal: int, top: Context) -> Context | None:
        """Give the context of a nonterminal: `below` is under its children, `top` on its last one."""
        after = [rule.reduce(a, nonterminal, b) for rule, a, b in zip(self._rules, below, top, strict=True)]
        return None if REJECT in after else tuple(after)

    def _lex_flags(self, context: Context) -> int:
        """Give what the scanner is told."""
        flags = 0
        for rule, state in zip(self._rules, context, strict=True):
            flags |= rule.lex_flags[state]
        return flags


class _Rule:
    """One rule's tables."""

    def __init__(self, table: StackTable, num_terminals: int) -> None:
        self._num_states, self._num_terminals = table.num_states, num_terminals
        self._shift, self._settle = _numbers(table.shift), _numbers(table.settle)
        self._reduce = {symbol: _numbers(numbers) for symbol, numbers in table.reduce.items()}
        self.lex_flags, self.tops = table.lex_flags, table.tops

    def shift(self, state: int, terminal: int) -> int:
        return self._shift[state * self._num_terminals + terminal]

    def reduce(self, below: int, nonterminal: int, top: int) -> int:
        if nonterminal in self._reduce:
            return self._reduce[nonterminal][below * self._num_states + top]
        return self._settle[below]


def _numbers(table: bytes) -> Sequence[int]:
    return memoryview(table).cast("H")


class Parser:
    """Steps of the LR automaton, all of them at once where there are several."""

    def __init__(self, table: ParseTable, tables: RuleTables, num_terminals: int) -> None:
        self.table, self.rules = table, StackRules(tables, num_terminals)
        self._num_terminals, self._pseudo_base = num_terminals, tables.pseudo_base
        self._reserved, self._unreserved = frozenset(tables.reserved), tables.unreserved
        self._word_places, self._word_marks = tables.word_places, tables.word_marks
        self._words_are_names = functools.cache(self._are_words_names)
        # Where line breaks matter: a comment ends its line, so it may stand only where the line may end, too.
        self._line_ends, self._comments = tables.line_ends, frozenset(tables.line_comments)
        self._in_line_flag = tables.in_line_flag
        self._named, self._own, self._naming_flag = tables.named, tables.own, tables.naming_flag

    def start(self, top: int = 0) -> Stack:
        """Give the stack of the empty text; top: a level of what right context asks for (StackRule.tops)."""
        return Stack(None, START_STATE, self.rules.starts(top))

    def step(
        self, stack: Stack, terminal: int, keyword: int | None = None, text: str | None = None
    ) -> list[Stack]:
        """Give every stack after a lexeme, the reductions before it included.

        text     of the lexeme, where it is known: rules may compare it with a name on the stack.
        keyword  the lexeme is a word that is also a keyword. It counts as the keyword if the state it was read in
                 knows that or reserves it; a parse that finds after some reductions that the keyword does not fit
                 goes on with the plain word. So in one text both may be tried, each by another parse.
        """
        takes_keyword = keyword is not None and self._takes_keyword(stack.state, keyword)
        work = [(stack, keyword if takes_keyword and keyword is not None else terminal)]
        results: list[Stack] = []
        for node, lookahead in work:  # grows while it is walked
            actions = self.table.actions(node.state, self._base(lookahead))
            if not actions and lookahead == keyword and not self._is_reserved(node.state, lookahead):
                work.append((node, terminal))
            for action in actions:
                match action:
                    case Shift(state):
                        is_named = lookahead == self._named and text is not None
                        is_own = is_named and node.enclosing_name() == text
                        name = self._given_name(stack, text) if is_named and node is stack else None
                        context = self.rules.shift(node.context, self._own if is_own else lookahead)
                        after = None if context is None else self._ended(node.push(state, context, name))
                        results += [after] if after and after not in results else []
                    case ShiftExtra():
                        if self._takes_extra(node, lookahead) and node not in results:
                            results.append(node)
                    case Reduce():
                        after = self._reduce(node, action)
                        if after and (after, lookahead) not in work:
                            work.append((after, lookahead))
                    case Accept():
                        pass
        return results

    def _given_name(self, stack: Stack, text: str | None) -> str | None:
        """Give the name that a lexeme gives to what it stands in; "", which equals nothing, when it is too long."""
        if text is None or not self.rules.lex_flags(stack.context) & self._naming_flag:
            return None
        return text if len(text.encode()) <= MAX_NAME_BYTES else ""

    def _takes_extra(self, stack: Stack, terminal: int) -> bool:
        if self.rules.shift(stack.context, terminal) is None:
            return False
        flags = self.rules.lex_flags(stack.context)
        is_in_line = flags & self._in_line_flag if self._in_line_flag else flags == 0
        if terminal not in self._comments or not is_in_line:
            return True
        return any(self.step(stack, end) for end in self._line_ends)

    def accepts_end(self, stack: Stack) -> bool:
        """Say whether the text may end here."""
        work = [stack]
        for node in work:  # grows while it is walked
            for action in self.table.actions(node.state, END):
                if isinstance(action, Accept):
                    return True
                if isinstance(action, Reduce):
                    after = self._reduce(node, action)
                    work += [after] if after and after not in work else []
        return False

    def _reduce(self, top: Stack, action: Reduce) -> Stack | None:
        below = top.pop(action.child_count)
        state = self.table.goto(below.state, action.symbol)
        context = self.rules.reduce(below.context, action.symbol, top.context)
        return None if state == 0 or context is None else below.push(state, context)

    def _ended(self, stack: Stack) -> Stack | None:
        """Close a non-terminal extra that is complete: nothing of it stays on the stack."""
        node: Stack | None = stack
        while node and self.table.ends_extra(node.state):
            (action,) = self.table.actions(node.state, END)
            assert isinstance(action, Reduce)
            below, node = node.pop(action.child_count), self._reduce(node, action)
            if node and node.state == below.state:
                return below
        return node

    def _takes_keyword(self, state: int, keyword: int) -> bool:
        return self.table.has_actions(state, keyword) or self._is_reserved(state, keyword)

    def _is_reserved(self, state: int, keyword: int) -> bool:
        if keyword in self._reserved and not self._words_are_names(state):
            return True
        return keyword in self.table.reserved(state) and not self._is_unreserved(state)

    def _is_unreserved(self, state: int) -> bool:
        return bool(self._unreserved) and all(self.table.actions(state, name) for name in self._unreserved)

    def _are_words_names(self, state: int) -> bool:
        """Say whether reserved words are names in a state (LanguageRules.word_places)."""
        if not self._word_places:
            return False
        capture = self.table.grammar.language.keyword_capture_token
        actions = self.table.actions(state, capture)
        # Where a name is no lexeme to shift yet, the state behind the reductions knows.
        is_shifted = len(actions) == 1 and isinstance(actions[0], Shift)
        return (
            not is_shifted
            or self._is_behind_mark(state)
            or any(self.table.goto(state, place) for place in self._word_places)
        )

    @functools.cached_property
    def _behind_marks(self) -> frozenset[int]:
        states = range(START_STATE, self.table.grammar.language.state_count)
        cells = (self.table.actions(state, mark) for mark in self._word_marks for state in states)
        return frozenset(action.state for actions in cells for action in actions if isinstance(action, Shift))

    def _is_behind_mark(self, state: int) -> bool:
        return state in self._behind_marks

    def _base(self, terminal: int) -> int:
        if terminal < self._num_terminals:
            return terminal
        base = self._pseudo_base[terminal - self._num_terminals]
        assert base != NO_SYMBOL, "a refused lexeme never reaches the parser"
        return base
