"""How a language says what its own parser refuses: automata on the parser's stack, patterns of lexemes.

A `StackRule` is a finite automaton whose state rides on every node of the LR stack:

    shift of terminal t on a node in state s      -> shift(s, t)
    reduce to nonterminal A: below is the node under the popped children, top the last child
                                                  -> reduce[A](state(below), state(top)), by default
                                                     settle(state(below)), which is state(below)

`None` refuses and kills that parse. Because the stack pops, what happened inside a bracket, block or function
never leaks out by itself. A rule refuses as early as no accepted continuation exists: refusing later would lead
generation into a corner.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from grammar.rules.tops import Top

State = Hashable
Shift = Callable[[State, str], State | None]
Reduce = Callable[[State, State], State | None]


def unchanged(state: State) -> State:
    """Keep the state below."""
    return state


def no_flags(_: State) -> int:
    """Tell the scanner nothing."""
    return 0


@dataclass(frozen=True)
class StackRule:
    """One automaton.

    shift      gives the next state for a terminal's name; variants of a terminal are named "string_start/3".
    reduce     by nonterminal name.
    settle     the state of any other nonterminal, by the state below it: ends what concerns one lexeme only.
    sees_extras  whether shift is asked about comments and the like; otherwise they change nothing.
    tops  other states to start from: where right context still asks for something of the file's top (grammar/rules/
          tops.py), nothing may be written that has to stand behind it.
    sees_own_names  whether shift is asked about "identifier/own" (see OwnNames); otherwise that is an identifier.
    lex_flags  bits that the language's scanner sees in this state.
    messages   what the language's own parser would have said.
    """

    name: str
    start: State
    shift: Shift
    messages: tuple[str, ...] = ()
    reduce: Mapping[str, Reduce] = field(default_factory=dict[str, Reduce])
    settle: Callable[[State], State] = unchanged
    lex_flags: Callable[[State], int] = no_flags
    sees_extras: bool = False
    sees_own_names: bool = False
    tops: tuple[State, ...] = ()


@dataclass(frozen=True)
class LexemeRule:
    """The whole text of these terminals must match `pattern` (the subset in grammar/rules/regex.py).

    commit  once the text so far matches this, the lexer may no longer fall back to a shorter lexeme.
    """

    terminals: tuple[str, ...]
    pattern: str
    messages: tuple[str, ...] = ()
    commit: str | None = None


@dataclass(frozen=True)
class LexemeVariant:
    """Lexemes of a terminal that rules tell apart.

    "terminal/1" is one whose whole text matches the first pattern, "terminal/2" the second (and not the first), …;
    "terminal/0" matches none.
    """

    terminal: str
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class OwnNames:
    """Lexemes that rules tell apart by the name of what encloses them: a constructor is named as its class.

    "terminal/own" is one whose text is the innermost name given around it; any other is "terminal" as before. Rules
    must allow for "terminal/own" whatever they allow for "terminal": what a lexeme equals shows at its end only.

    flag  a stack rule sets it in lex_flags where the next lexeme, if it is such a terminal, gives a name. It lasts
          while that lexeme's node is on the stack.
    ends  characters that begin what rules let follow "terminal/own" and not "terminal", or a comment before it.
    """

    terminal: str
    flag: int
    ends: str


@dataclass(frozen=True)
class LanguageRules:
    r"""Everything above the grammar.

    reserved  keywords that are never identifiers; names of terminals.
    unreserved  terminals; where all of these names may stand, the grammar's reserved words are names, too. JSX has
              identifiers of its own beside the plain ones: <label class="a" for="b"/>.
    word_places, word_marks  nonterminals and terminals: where one of the first may begin, and behind one of the others,
              reserved words are names nevertheless (`a.class`); for grammars that say nothing of reserved words.
    blanks    the only characters that may stand between lexemes.
    extras    terminals that may stand anywhere.
    endings   texts that may be tried to end a program, beside single lexemes: where only a longer one does.
    openers   texts that may be put before right context, to open what it closes (see csrc/opening.h); the character 1
              in one stands for a name, which right context may prescribe (see OwnNames).
    block_openers  headers of indented blocks, for the same.
    top       how right context asks for the top of a file; its levels are those of StackRule.tops.
    variants  (base terminal, number of variants) that the language's scanner tells apart.
    lexeme_variants  the same, told apart by their text.
    own_names  the same, told apart by a name that was given before.
    characters  at most two sets of characters beyond ASCII, which patterns name \1 and \2.
    operators  of the language, which its own lexer reads greedily: `--` is never two minus signs, though the grammar
              would cut it where no `--` fits. Terminals are named by their text.
    has_elements  JSX: elements end with the name they begin with, which a closing has to spell (closing_tags.py).
    line_comments, line_ends  names of terminals. Where a line break means something, the comments end their line, so
              they may stand only where one of line_ends may. That is where a stack rule sets the flag
              `in_line_flag`; 0: where none sets any.
    """

    stack_rules: tuple[StackRule, ...] = ()
    lexeme_rules: tuple[LexemeRule, ...] = ()
    reserved: tuple[str, ...] = ()
    unreserved: tuple[str, ...] = ()
    word_places: tuple[str, ...] = ()
    word_marks: tuple[str, ...] = ()
    blanks: str = ""
    endings: tuple[str, ...] = ()
    openers: tuple[str, ...] = ()
    block_openers: tuple[str, ...] = ()
    variants: tuple[tuple[str, int], ...] = ()
    lexeme_variants: tuple[LexemeVariant, ...] = ()
    own_names: OwnNames | None = None
    characters: tuple[Callable[[str], bool], ...] = ()
    operators: tuple[str, ...] = ()
    line_comments: tuple[str, ...] = ()
    line_ends: tuple[str, ...] = ()
    in_line_flag: int = 0
    has_elements: bool = False
    extras: tuple[str, ...] = ("comment",)
    top: Top | None = None
