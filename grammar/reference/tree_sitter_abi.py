"""The memory of a compiled tree-sitter grammar (ABI 14 and 15), read through ctypes.

Layout: tree-sitter lib/src/parser.h. Knows bytes and pointers; what they mean to a parser is in parse_table.py.

    TSLanguage --> parse_table         large states: one row, indexed by symbol
               --> small_parse_table   the others: groups of (value, symbols that have it)
                        value: next state for a nonterminal, index into parse_actions for a terminal
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_bool, c_char_p, c_int16, c_int32, c_uint8, c_uint16, c_uint32, c_void_p
from typing import Any, NamedTuple

from grammar.errors import UnknownAbiError

ADVANCE = ctypes.CFUNCTYPE(None, c_void_p, c_bool)
MARK_END = ctypes.CFUNCTYPE(None, c_void_p)
GET_COLUMN = ctypes.CFUNCTYPE(c_uint32, c_void_p)
PREDICATE = ctypes.CFUNCTYPE(c_bool, c_void_p)
LOG = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)
LEX = ctypes.CFUNCTYPE(c_bool, c_void_p, c_uint16)
CREATE = ctypes.CFUNCTYPE(c_void_p)
DESTROY = ctypes.CFUNCTYPE(None, c_void_p)
SCAN = ctypes.CFUNCTYPE(c_bool, c_void_p, c_void_p, c_void_p)
SERIALIZE = ctypes.CFUNCTYPE(c_uint32, c_void_p, c_char_p)
DESERIALIZE = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_uint32)


class TSLexer(ctypes.Structure):
    """What a compiled lexer sees of the text: one character, and calls to move on."""

    _fields_ = (
        ("lookahead", c_int32),
        ("result_symbol", c_uint16),
        ("advance", ADVANCE),
        ("mark_end", MARK_END),
        ("get_column", GET_COLUMN),
        ("is_at_included_range_start", PREDICATE),
        ("eof", PREDICATE),
        ("log", LOG),
    )


class _Shift(ctypes.Structure):
    _fields_ = (("type", c_uint8), ("state", c_uint16), ("extra", c_bool), ("repetition", c_bool))


class _Reduce(ctypes.Structure):
    _fields_ = (
        ("type", c_uint8),
        ("child_count", c_uint8),
        ("symbol", c_uint16),
        ("dynamic_precedence", c_int16),
        ("production_id", c_uint16),
    )


class _Entry(ctypes.Structure):
    _fields_ = (("count", c_uint8), ("reusable", c_bool))


class ActionEntry(ctypes.Union):
    """One cell of parse_actions: the head of a list (`entry`), then its actions."""

    _fields_ = (("shift", _Shift), ("reduce", _Reduce), ("entry", _Entry), ("type", c_uint8))


class _LexMode14(ctypes.Structure):
    _fields_ = (("lex_state", c_uint16), ("external_lex_state", c_uint16))


class _LexMode15(ctypes.Structure):
    _fields_ = (
        ("lex_state", c_uint16),
        ("external_lex_state", c_uint16),
        ("reserved_word_set", c_uint16),
    )


class _Metadata(ctypes.Structure):
    _fields_ = (("visible", c_bool), ("named", c_bool), ("supertype", c_bool))


class _ExternalScanner(ctypes.Structure):
    _fields_ = (
        ("states", POINTER(c_bool)),
        ("symbol_map", POINTER(c_uint16)),
        ("create", CREATE),
        ("destroy", DESTROY),
        ("scan", SCAN),
        ("serialize", SERIALIZE),
        ("deserialize", DESERIALIZE),
    )


class TSLanguage(ctypes.Structure):
    """The root; the last three fields exist from ABI 15 on."""

    _fields_ = (
        ("abi_version", c_uint32),
        ("symbol_count", c_uint32),
        ("alias_count", c_uint32),
        ("token_count", c_uint32),
        ("external_token_count", c_uint32),
        ("state_count", c_uint32),
        ("large_state_count", c_uint32),
        ("production_id_count", c_uint32),
        ("field_count", c_uint32),
        ("max_alias_sequence_length", c_uint16),
        ("parse_table", POINTER(c_uint16)),
        ("small_parse_table", POINTER(c_uint16)),
        ("small_parse_table_map", POINTER(c_uint32)),
        ("parse_actions", POINTER(ActionEntry)),
        ("symbol_names", POINTER(c_char_p)),
        ("field_names", c_void_p),
        ("field_map_slices", c_void_p),
        ("field_map_entries", c_void_p),
        ("symbol_metadata", POINTER(_Metadata)),
        ("public_symbol_map", c_void_p),
        ("alias_map", c_void_p),
        ("alias_sequences", c_void_p),
        ("lex_modes", c_void_p),
        ("lex_fn", LEX),
        ("keyword_lex_fn", LEX),
        ("keyword_capture_token", c_uint16),
        ("external_scanner", _ExternalScanner),
        ("primary_state_ids", c_void_p),
        ("name", c_char_p),
        ("reserved_words", POINTER(c_uint16)),
        ("max_reserved_word_set_size", c_uint16),
    )


class SymbolMetadata(NamedTuple):
    """How syntax trees show a symbol."""

    visible: bool
    named: bool
    supertype: bool


class LexMode(NamedTuple):
    """How lexing starts in a parser state."""

    lex_state: int  # 0xffff: end of a non-terminal extra, reduce without lexing
    external_lex_state: int  # 0: the scanner is not asked
    reserved_word_set: int


class CompiledGrammar:
    """A grammar wheel's tables and functions, by number.

    capsule  what `tree_sitter_python.language()` returns.
    Raises UnknownAbiError for another ABI than 14 and 15.
    """

    def __init__(self, capsule: object) -> None:
        get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
        get_pointer.restype, get_pointer.argtypes = c_void_p, [ctypes.py_object, c_char_p]
        language = TSLanguage.from_address(get_pointer(capsule, b"tree_sitter.Language"))
        if language.abi_version not in (14, 15):
            raise UnknownAbiError(f"expected a grammar of ABI 14 or 15, got ABI {language.abi_version}")
        self.language: Any = language
        self.abi_version: int = language.abi_version
        self.symbol_count: int = language.symbol_count
        self.token_count: int = language.token_count  # terminals are the symbols below
        self.state_count: int = language.state_count
        self.symbol_names: list[str] = [language.symbol_names[i].decode() for i in range(self.symbol_count)]
        self.metadata: list[SymbolMetadata] = [
            SymbolMetadata(m.visible, m.named, m.supertype)
            for m in language.symbol_metadata[: self.symbol_count]
        ]
        self.has_keywords = bool(language.keyword_lex_fn)
        self.keyword_capture: int | None = language.keyword_capture_token if self.has_keywords else None
        scanner: Any = language.external_scanner
        self.external_symbols: list[int] = (
            scanner.symbol_map[: language.external_token_count] if scanner.symbol_map else []
        )

    def table_value(self, state: int, symbol: int) -> int:
        """Give the parse table's cell; 0 where it is empty."""
        language = self.language
        if state < language.large_state_count:
            return language.parse_table[state * self.symbol_count + symbol]
        at: int = language.small_parse_table_map[state - language.large_state_count]
        table: Any = language.small_parse_table
        num_groups: int = table[at]
        at += 1
        for _ in range(num_groups):
            value, size = table[at], table[at + 1]
            if symbol in table[at + 2 : at + 2 + size]:
                return value
            at += 2 + size
        return 0

    def actions(self, index: int) -> list[ActionEntry]:
        """Give the list of actions that starts at an index."""
        entries: Any = self.language.parse_actions
        return entries[index + 1 : index + 1 + entries[index].entry.count]

    def lex_mode(self, state: int) -> LexMode:
        """Give how lexing starts in a state. ABI 14 knows no reserved words."""
        kind = _LexMode15 if self.abi_version == 15 else _LexMode14
        mode: Any = kind.from_address(self.language.lex_modes + state * ctypes.sizeof(kind))
        reserved = mode.reserved_word_set if self.abi_version == 15 else 0
        return LexMode(mode.lex_state, mode.external_lex_state, reserved)

    def reserved_words(self, word_set: int) -> frozenset[int]:
        """Give the keywords that are no identifiers, for a lex mode's set."""
        if word_set == 0:
            return frozenset()
        size: int = self.language.max_reserved_word_set_size
        words: list[int] = self.language.reserved_words[word_set * size : (word_set + 1) * size]
        return frozenset(words[: words.index(0)] if 0 in words else words)

    def valid_externals(self, external_lex_state: int) -> Sequence[bool]:
        """Give, by external token, whether the scanner may return it."""
        count: int = self.language.external_token_count
        return self.language.external_scanner.states[
            external_lex_state * count : (external_lex_state + 1) * count
        ]
