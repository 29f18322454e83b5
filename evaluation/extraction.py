"""From a model's answer to the program that is run.

Python functions, as EvalPlus 0.3 (`sanitize`): the longest run of lines that parses (most lines that are not blank;
the first of equals), of it the imports, and the definitions and assignments at the top that the entry point reaches;
functions without `return` are left out, of equal names the first counts. Differences: decorated definitions are kept
(EvalPlus drops them: a dataclass or @lru_cache would fail the answer), and spans are tried longest first, which finds
the same span. Answers of more than 400 lines are read as far as that.

Programs, other languages, as Qwen2.5-Coder's evaluation: the first fenced block, else the whole answer; the given
head is put before it when the answer does not repeat it. Where MultiPL-E's tests begin with the brace that closes
the function, that many closing braces at the end of the answer are taken off, and where they go on within its class
(Java, C#) the one that closes the class as well. In Rust, `use` of a foreign crate that nothing else in the program
names is left out, and in Java the import of org.javatuples, since these are not here.

Infilling: the answer is the middle; for one-line gaps only its first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import tree_sitter
import tree_sitter_python

from evaluation.problems import AssertCode, Form, Problem
from evaluation.python_syntax import python_tree

_MAX_LINES: Final = 400
_MAX_CHARS: Final = 64 * 1024
_FENCED = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_USE = re.compile(r"use (?P<root>\w+)(?:::(?:\w+::)*(?P<last>\w+))?;")
_TUPLES: Final = "import org.javatuples.*;\n"
_TUPLE = re.compile(r"\b(?:Unit|Pair|Triplet|Quartet|Quintet|Sextet|Septet|Octet|Ennead|Decade)\b")
_TESTS_IN_CLASS: Final = frozenset({"java", "csharp"})
_OWN_CRATES: Final = frozenset({"std", "core", "alloc", "crate", "self", "super"})
_IMPORTS: Final = ("import_statement", "import_from_statement", "future_import_statement")
_PYTHON = tree_sitter.Language(tree_sitter_python.language())


def program_of(problem: Problem, answer: str) -> str:
    """Give the whole program that an answer stands for."""
    if problem.form is Form.INFILL:
        return problem.prompt + infilled(problem, answer) + problem.suffix
    if problem.form is Form.PROGRAM:
        return fenced_code(answer)
    if problem.language == "python":
        return sanitized(answer, problem.entry_point)
    return _with_head(problem, fenced_code(answer))


def code_of(problem: Problem, answer: str) -> tuple[str, ...]:
    """Give the code that an answer holds, as the model wrote it, for the parse rate: one form that parses is enough.

    Not the program that is judged: of Python that is cut so that it parses, of other languages the tests may close
    its last braces. Those may go on from the prompt's head without repeating it, which is the second form.
    """
    if problem.form in (Form.INFILL, Form.PROGRAM):
        return (program_of(problem, answer),)
    code, fence, rest = answer.partition("```")
    if fence and problem.language == "python" and parses(answer):
        return (answer,)  # the fence stands in a string or a comment
    # One fence, at the end: it closes the block that the prompt of RAW has opened, and is no code.
    code = code if fence and not rest.strip() else fenced_code(answer)
    return (code,) if problem.language == "python" else (code, problem.prompt.rstrip() + "\n" + code)


def infilled(problem: Problem, answer: str) -> str:
    """Give the middle: of a one-line gap the first line that is not blank."""
    if problem.suite != "infill-single":
        return answer
    lead = len(answer) - len(answer.lstrip("\n"))
    return answer[lead:].split("\n", 1)[0] + "\n"


def fenced_code(answer: str) -> str:
    """Give the first fenced block, the whole answer when there is no fence."""
    match = _FENCED.search(answer)
    return match[1] if match else answer


def sanitized(answer: str, entry_point: str | None) -> str:
    """Give what the entry point needs out of a Python answer."""
    source = longest_parsing_span(answer).encode("utf-8", "replace")
    definitions: dict[str, tree_sitter.Node] = {}
    parts: list[bytes] = []
    for child in tree_sitter.Parser(_PYTHON).parse(source).root_node.children:
        if child.type in _IMPORTS:
            parts.append(source[child.start_byte : child.end_byte])
        elif (found := _definition(child)) is not None:
            definitions.setdefault(*found)
    wanted = _reachable(entry_point, definitions) if entry_point else set(definitions)
    parts += [source[node.start_byte : node.end_byte] for name, node in definitions.items() if name in wanted]
    return b"\n".join(parts).decode(errors="replace")


def longest_parsing_span(text: str) -> str:
    """Give the run of two lines or more that parses as Python and has the most lines that are not blank."""
    lines = text[:_MAX_CHARS].split("\n")[:_MAX_LINES]
    whole = "\n".join(lines)
    if parses(whole):
        return whole
    filled = [0]
    for line in lines:
        filled.append(filled[-1] + bool(line.strip()))
    spans = [(filled[i] - filled[j + 1], i, j) for i in range(len(lines)) for j in range(i + 1, len(lines))]
    for negative_count, first, last in sorted(spans):
        if negative_count == 0:
            break
        span = "\n".join(lines[first : last + 1])
        if parses(span):
            return span
    return lines[0]


def parses(code: str) -> bool:
    """Whether CPython's parser takes it."""
    return python_tree(code) is not None


def _definition(node: tree_sitter.Node) -> tuple[str, tree_sitter.Node] | None:
    inner = node.child_by_field_name("definition") if node.type == "decorated_definition" else node
    if inner is None:
        return None
    if inner.type == "expression_statement" and inner.children[0].type == "assignment":
        inner = node = inner.children[0]
    elif inner.type == "function_definition":
        if not any(below.type == "return_statement" for below in _walk(inner)):
            return None
    elif inner.type != "class_definition":
        return None
    name = next((child for child in inner.children if child.type == "identifier"), None)
    return (_text(name), node) if name is not None else None


def _reachable(entry_point: str, definitions: dict[str, tree_sitter.Node]) -> set[str]:
    uses = {
        name: {_text(n) for n in _walk(node) if n.type == "identifier"} for name, node in definitions.items()
    }
    seen, queue = {entry_point}, [entry_point]
    while queue:
        for name in uses.get(queue.pop(), set()) - seen:
            seen.add(name)
            queue.append(name)
    return seen


def _walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(top.children))


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode(errors="replace")


def _with_head(problem: Problem, code: str) -> str:
    name = problem.entry_point
    repeats_head = name is not None and re.search(rf"\b{re.escape(name)}\b", code)
    head = _missing_imports(problem, code) if repeats_head else problem.prompt.rstrip() + "\n"
    code = head + code
    if problem.language == "rust":
        code = without_unused_crates(code)
    elif problem.language == "java" and not _TUPLE.search(code):
        code = code.replace(_TUPLES, "")
    assert isinstance(problem.checks, AssertCode)
    braces = _leading_braces(problem.checks.code)
    in_class = bool(braces) and problem.language in _TESTS_IN_CLASS
    return _without_last_braces(code, braces + in_class)


def without_unused_crates(code: str) -> str:
    """Leave out `use` of foreign crates that nothing else names: HumanEval-X imports three in all its problems."""

    def is_needed(line: str) -> bool:
        match = _USE.fullmatch(line.strip())
        if match is None or match["root"] in _OWN_CRATES:
            return True
        names = {match["root"], match["last"] or match["root"]}
        others = "\n".join(other for other in code.split("\n") if not _USE.fullmatch(other.strip()))
        return any(re.search(rf"\b{name}\b", others) for name in names)

    return "\n".join(line for line in code.split("\n") if is_needed(line))


def _missing_imports(problem: Problem, code: str) -> str:
    """Give the lines of the prompt before its head that name packages, unless the answer has some of its own."""
    heads = ("import ", "#include", "use ", "using ", "package ", "<?php", "#!")
    given = [line for line in problem.prompt.splitlines() if line.lstrip().startswith(heads)]
    if problem.language == "go":
        block = re.match(r"\s*(package \w+\s*)?(import \((?:[^)]*)\)\s*)?", problem.prompt)
        return block[0] if block and "import" not in code and "package" not in code else ""
    return "".join(f"{line}\n" for line in given if line.strip() not in code)


def _leading_braces(tests: str) -> int:
    match = re.match(r"(?:\s*\})*", tests)
    return match[0].count("}") if match else 0


def _without_last_braces(code: str, count: int) -> str:
    surplus = code.count("}") - code.count("{") + count
    for _ in range(max(0, min(count, surplus))):
        head, brace, tail = code.rpartition("}")
        code = head + tail if brace else code
    return code
