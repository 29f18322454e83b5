"""Java: the places in a text that rules tell apart, and the terminals that decide between them.

file       top of the file                     header   behind `class`, `enum`, ...: a body follows
members    body of a class                     constants  body of an enum
statement  in a block; `at` is how far the statement got
code       anything else: expressions, types, arguments
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """One place.

    kind    see above, and the names in java_code.py
    at      how far a member, a statement or a file got; a header: "", "named" behind the name
    detail  members: "class", "anonymous", "interface", "record", and "static record": in one, behind `static`;
            statement: "any", "single" (no declarations: the body of an if), "init", "update" (of a for);
            header: what it introduces; file: "imports", "package": right context still has them
    """

    kind: str
    at: str = ""
    detail: str = ""


NAMES_A_TYPE = 4  # flag: the next identifier is the name of a class, an interface, an enum or a record
STATIC_RECORD = "static record"
CODE = Place("code")
BLOCK = Place("statement", "start", "any")

OWN_NAME = "identifier/own"  # one that is the name of the enclosing class, see OwnNames
NAMES = ("identifier", "open", "module", "record", "with", "sealed", "yield")
PRIMITIVES = ("byte", "short", "int", "long", "char", "float", "double", "boolean_type")
MODIFIERS = ("public", "protected", "private", "abstract", "static", "final", "strictfp", "default", "synchronized",
             "native", "transient", "volatile", "sealed", "non-sealed")  # fmt: skip
TYPE_HEADERS = {"class": "class", "interface": "interface", "@interface": "interface", "enum": "enum"}
# What begins a declaration, in a class body and in a block alike: how far it got.
BEGINNINGS = {"record": "record", "void_type": "void", **dict.fromkeys(PRIMITIVES, "type")}
BRACKETS = ("(", "[", "{")
# A statement that begins with an operand ends in none of these operators.
OPERATORS = ("&", ">", "<", ">=", "<=", "==", "!=", "&&", "||", "+", "-", "*", "/", "|", "^", "%", "<<", ">>", ">>>",
             "instanceof", "?", "->")  # fmt: skip
ASSIGNMENTS = ("=", "+=", "-=", "*=", "/=", "&=", "|=", "^=", "%=", "<<=", ">>=", ">>>=")
PREFIXES = ("+", "-", "!", "~")

TYPES = ("generic_type", "scoped_type_identifier", "array_type", "integral_type", "floating_point_type",
         "annotated_type", "_unannotated_type", "_type")  # fmt: skip
ANNOTATIONS = ("annotation", "marker_annotation", "_annotation", "modifiers", "modifiers_repeat1",
               "array_creation_expression_repeat1")  # fmt: skip
TYPE_DECLARATIONS = ("class_declaration", "interface_declaration", "annotation_type_declaration", "enum_declaration",
                     "record_declaration")  # fmt: skip
MEMBERS = (*TYPE_DECLARATIONS, "field_declaration", "method_declaration", "compact_constructor_declaration",
           "static_initializer", "constructor_declaration", "constant_declaration",
           "annotation_type_element_declaration", "enum_body_declarations_repeat1", "annotation_type_body_repeat1",
           "interface_body_repeat1", "declaration")  # fmt: skip
STATEMENTS = ("block", "statement", "expression_statement", "labeled_statement", "if_statement", "while_statement",
              "for_statement", "enhanced_for_statement", "assert_statement", "do_statement", "break_statement",
              "continue_statement", "return_statement", "yield_statement", "switch_expression",
              "synchronized_statement", "local_variable_declaration", "throw_statement", "try_statement",
              "try_with_resources_statement", "explicit_constructor_invocation",
              "switch_block_statement_group_repeat2")  # fmt: skip
COMPLETE = ("assignment_expression", "update_expression", "method_invocation", "object_creation_expression")
