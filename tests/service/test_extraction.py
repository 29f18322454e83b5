import time
from dataclasses import dataclass
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.extraction import CodeExtractor, ExtractorState, extract_code
from service.languages import LANGUAGES, language

PYTHON = language("python")


@dataclass(frozen=True)
class Answer:
    """One answer as a model writes it, and the code in it if that is not all of it."""

    why: str
    language: str
    text: str
    only_code: str | None = None

    @property
    def code(self) -> str:
        return self.text if self.only_code is None else self.only_code


def answer(why: str, name: str, text: str, code: str) -> Answer:
    return Answer(why, name, dedent(text).removeprefix("\n"), dedent(code).removeprefix("\n"))


ANSWERS = [
    # One fenced block, as asked.
    answer(
        "prose around the block", "python",
        """
        Here is a Python function that adds two numbers:

        ```python
        def add(a, b):
            return a + b
        ```

        This function takes two arguments and returns their sum.
        """,
        """
        def add(a, b):
            return a + b
        """,
    ),
    Answer("nothing but the block", "python", "```python\nprint(1)\n```", "print(1)\n"),
    Answer("a blank line first", "python", "\n```python\nx = 1\n```\n", "x = 1\n"),
    Answer("no label", "python", "```\nx = 1\n```", "x = 1\n"),
    Answer("a short label", "python", "```py\nx = 1\n```", "x = 1\n"),
    Answer("a label in capitals", "sql", "```SQL\nSELECT 1;\n```", "SELECT 1;\n"),
    Answer("C++ as models write it", "cpp", "Sure!\n```c++\nint x;\n```", "int x;\n"),
    Answer("tildes", "python", "~~~python\ns = '```'\n~~~\nDone.", "s = '```'\n"),
    Answer("a long fence", "python", "````python\ns = '''\n```\n'''\n````\n", "s = '''\n```\n'''\n"),
    Answer("a closing fence longer than the opening one", "go", "```go\nx := 1\n`````\nText", "x := 1\n"),
    Answer("Windows line ends", "csharp", "Here:\r\n\r\n```csharp\r\nint x;\r\n```\r\nDone.\r\n", "int x;\r\n"),
    Answer("blanks behind both fences", "python", "```python  \nx = 1\n```   \nDone.", "x = 1\n"),
    Answer("a blank before the label", "python", "``` python\nx = 1\n```", "x = 1\n"),
    Answer("attributes behind the label", "python", '```python title="a.py" {1,3}\nx = 1\n```', "x = 1\n"),
    Answer("a file name behind the label", "python", "```python src/main.py\nx = 1\n```", "x = 1\n"),
    Answer("a pandoc label", "python", "```{.python .numberLines}\nx = 1\n```", "x = 1\n"),
    Answer("blank lines and trailing blanks are kept", "python", "```python\n\nx = 1  \n\n\n```", "\nx = 1  \n\n\n"),
    Answer("an indented block in a list", "python",
           "1. Do:\n   ```python\n   if x:\n       y()\n   ```\n", "if x:\n    y()\n"),
    Answer("deeper in a list", "bash", "- Run:\n    ```bash\n    ls\n    ```\n- Done", "ls\n"),
    Answer("an empty block", "python", "```python\n```\nNothing to do.", ""),
    # Fences glued to something.
    Answer("an opening fence behind prose", "python", "Here is the code: ```python\nx = 1\n```\nOk.", "x = 1\n"),
    Answer("the same with a code span", "python", "Use `x` like this: ```\nx = 1\n```\nOk.", "x = 1\n"),
    Answer("code behind the label", "python", "```python def f(): return 1\n```", "def f(): return 1\n"),
    Answer("code behind the fence", "python", "```def f():\n    return 1\n```", "def f():\n    return 1\n"),
    Answer("a block on one line", "python", "```python print(1)```", "print(1)"),
    Answer("a closing fence behind code", "javascript", "```js\nfoo();```\nThis calls foo.", "foo();"),
    # Cut by the token limit.
    Answer("no closing fence", "python", "Sure:\n```python\ndef f():\n    retu", "def f():\n    retu"),
    Answer("half a closing fence", "python", "```python\nx = 1\n``", "x = 1\n"),
    Answer("a third of one", "python", "```python\nx = 1\n`", "x = 1\n"),
    Answer("no line end behind the closing fence", "python", "```python\nx = 1\n```", "x = 1\n"),
    Answer("cut in the prose", "python", "Here is a function that", ""),
    Answer("half an opening fence", "python", "``", ""),
    Answer("cut in the opening fence", "python", "Sure:\n\n```pyth", ""),
    Answer("empty", "python", "", ""),
    Answer("blank", "python", "\n \n", ""),
    # Fences within the code.
    answer(
        "a labelled pair in a module docstring", "python",
        '''
        ```python
        """Tools.

        ```python
        add(1, 2)
        ```
        """
        def add(a, b): ...
        ```
        That is all.
        ''',
        '''
        """Tools.

        ```python
        add(1, 2)
        ```
        """
        def add(a, b): ...
        ''',
    ),
    answer(
        "a bare pair in an indented docstring", "python",
        '''
        ```python
        def f():
            """Say hello.

            ```
            f()
            ```
            """
        ```
        ''',
        '''
        def f():
            """Say hello.

            ```
            f()
            ```
            """
        ''',
    ),
    answer(
        "documentation comments", "rust",
        """
        ```rust
        /// Adds.
        ///
        /// ```
        /// assert_eq!(add(1, 2), 3);
        /// ```
        pub fn add(a: i32, b: i32) -> i32 { a + b }
        ```
        """,
        """
        /// Adds.
        ///
        /// ```
        /// assert_eq!(add(1, 2), 3);
        /// ```
        pub fn add(a: i32, b: i32) -> i32 { a + b }
        """,
    ),
    Answer("a fence in a string", "python",
           '```python\nfence = "```"\np = f"""```json\n{x}"""\n```\n', 'fence = "```"\np = f"""```json\n{x}"""\n'),
    Answer("a template literal", "typescript", "```ts\nconst s = `a\n`;\nf(s);\n```\n", "const s = `a\n`;\nf(s);\n"),
    # Several blocks.
    answer(
        "a shell command first", "python",
        """
        First install the package:

        ```bash
        pip install requests
        ```

        Then:

        ```python
        import requests
        ```
        """,
        """
        import requests
        """,
    ),
    Answer("usage after the function", "python",
           "```python\ndef f(): ...\n```\nUsage:\n```python\nf()\n```", "def f(): ...\n"),
    Answer("only another language", "python", "```bash\nls\n```\nor\n```text\nout\n```", "ls\n"),
    Answer("an unknown label", "python", "```pseudocode\nx <- 1\n```\n", "x <- 1\n"),
    Answer("another language, then the right one, cut", "go", "```sh\ngo run\n```\n```go\npackage m", "package m"),
    Answer("another language, cut, and it is all there is", "go", "```rust\nfn main() {}", "fn main() {}"),
    # No fence: the answer is code.
    Answer("a function", "python", "def add(a, b):\n    return a + b\n"),
    Answer("imports", "python",
           "\nimport os\nfrom typing import Any\n\n\nprint(os.sep)\n",
           "import os\nfrom typing import Any\n\n\nprint(os.sep)\n"),
    Answer("a comment first", "python", "# Adds two numbers\ndef add(a, b):\n    return a + b"),
    Answer("the body of a function", "python", "    return sorted(set(xs))\n"),
    Answer("one expression", "python", "max(xs, key=len)"),
    Answer("one word", "python", "xs"),
    Answer("an assignment", "python", "squares = [x * x for x in range(10)]\n"),
    Answer("a decorator", "python", "@cache\ndef f(n):\n    return n\n"),
    Answer("includes", "c", "#include<stdio.h>\n\nint main(void) {\n  return 0;\n}\n"),
    Answer("a query", "sql", "SELECT name, email, phone, address,\n  age FROM users;\n"),
    Answer("a script", "bash", "#!/bin/bash\nset -e\nls\n"),
    Answer("a page", "html", "<!DOCTYPE html>\n<p>\n\nThis is the text of a page.\n</p>\n"),
    Answer("an object", "json", '{\n  "a": 1\n}\n'),
    Answer("a rule", "css", "#menu {\n  color: red;\n}\n"),
    Answer("attributes", "rust", "#[derive(Debug)]\nstruct P;\n"),
    Answer("a class", "java", "public class A {\n}\n"),
    Answer("a package", "go", "package main\n\nfunc main() {}\n"),
    Answer("PHP", "php", "<?php\necho 1;\n"),
    Answer("Kotlin", "kotlin", "fun main() = println(1)\n"),
    Answer("Scala", "scala", "object A extends App\n"),
    Answer("Ruby", "ruby", "def add(a, b)\n  a + b\nend\n"),
    Answer("C#", "csharp", "using System;\n\nclass A { }\n"),
    Answer("JSX", "tsx", "export const A = () => <p>hi</p>;\n"),
    # No fence, code and prose.
    Answer("an explanation after the code", "python",
           "def f():\n    return 1\n\nThis function returns the number one.\n", "def f():\n    return 1\n"),
    Answer("an example after the code", "python",
           "def f():\n    return 1\n\n\nExample usage:\n```python\nf()\n```\n", "def f():\n    return 1\n"),
    Answer("the closing fence alone", "python",
           "def f():\n    return 1\n```\nThis returns 1.", "def f():\n    return 1\n"),
    Answer("a docstring with paragraphs", "python", '"""Tools for lists.\n\nThis module is about lists.\n"""\nx = 1\n'),
    Answer("a licence comment", "go", "/*\nCopyright.\n\nYou may use this as you like.\n*/\npackage a\n"),
    Answer("prose before the code", "python",
           "Here is the function:\n\n# Doubles.\ndef f(x):\n    return 2 * x\n\nThis function doubles its argument.",
           "# Doubles.\ndef f(x):\n    return 2 * x\n"),
    Answer("a sentence that begins like code", "python",
           "import the module below.\n\n```python\nimport os\n```", "import os\n"),
    Answer("a heading, then a block", "python", "# Solution\n\n```python\nx = 1\n```", "x = 1\n"),
    Answer("a list, then a block", "javascript", "1. **Create** the function\n2. Call it\n\n```js\nf()\n```", "f()\n"),
    Answer("Chinese prose", "python", "以下是实现:\n\n```python\nx = 1\n```\n希望有帮助。", "x = 1\n"),
    Answer("braces in prose", "python",
           "Here is a solution with `{}` and x = 1:\n\n```python\nx = {}\n```", "x = {}\n"),
    Answer("a refusal", "python", "I'm sorry, but I can't help with that.", ""),
    Answer("an explanation without code", "python", "The function sorts the list.\n\nIt is fast.\n", ""),
    Answer("a code span is no fence", "python", "Use ```x``` here.\n\n```python\nx\n```", "x\n"),
    # Plain text.
    Answer("plain text", "text", "Sure:\n```python\nx\n```\n"),
]  # fmt: skip

ids = [f"{item.language}: {item.why}" for item in ANSWERS]


def by_chunks(text: str, chunks: list[str], name: str = "python") -> str:
    assert "".join(chunks) == text
    extractor = CodeExtractor(language(name))
    return "".join([*map(extractor.feed, chunks), extractor.finish()])


@pytest.mark.parametrize("item", ANSWERS, ids=ids)
def test_the_code_of_an_answer(item: Answer) -> None:
    assert extract_code(item.text, language(item.language)) == item.code


@pytest.mark.parametrize("item", ANSWERS, ids=ids)
def test_every_cut_in_two_and_single_characters_give_the_same_code(item: Answer) -> None:
    for cut in range(len(item.text) + 1):
        assert by_chunks(item.text, [item.text[:cut], item.text[cut:]], item.language) == item.code
    assert by_chunks(item.text, list(item.text), item.language) == item.code


# ------------------------------------------------------------------------------------------------ laws

languages = st.sampled_from(LANGUAGES)
fragments = st.sampled_from(
    ["`", "``", "```", "````", "~~~", "python", "bash", "py", "\n", "\n\n", "\r\n", " ", "    ", "\t", "def f():",
     "x = 1", "return x", "# note", '"""', "/*", "*/", "Here is the code:", "This function returns the sum.", "Usage:",
     "'", "{", "}", "a", "1. Do it", "SELECT 1;", "\r", "\u2028", "以下"]
)  # fmt: skip
chunked = st.lists(st.lists(fragments, max_size=4).map("".join), max_size=12)


@given(languages.map(lambda entry: entry.name), chunked)
def test_chunks_do_not_matter(name: str, chunks: list[str]) -> None:
    text = "".join(chunks)
    expected = extract_code(text, language(name))
    assert by_chunks(text, chunks, name) == expected
    assert by_chunks(text, list(text), name) == expected


@given(chunked)
def test_chunks_do_not_matter_in_an_opened_block(chunks: list[str]) -> None:
    whole, pieces = CodeExtractor(PYTHON, is_open=True), CodeExtractor(PYTHON, is_open=True)
    expected = whole.feed("".join(chunks)) + whole.finish()
    assert "".join([*map(pieces.feed, chunks), pieces.finish()]) == expected


@given(chunked)
def test_plain_text_passes_at_once(chunks: list[str]) -> None:
    extractor = CodeExtractor(language("text"))
    assert [extractor.feed(chunk) for chunk in chunks] == chunks
    assert extractor.finish() == ""
    assert not extractor.had_fence


@pytest.mark.parametrize("opening", ["", "Here:\n", "```python\n", "```bash\n", "def f():\n", "    "])
@pytest.mark.parametrize(
    "unit", ["`", "~", " ", "a", ".", "a.", "` ", "x=", ")->", "```a ", "a, ", "\n", "\r"]
)
def test_long_runs_take_linear_time(opening: str, unit: str) -> None:
    extractor = CodeExtractor(PYTHON)
    text = opening + unit * 20_000 + "x y\n"
    started = time.process_time()
    extractor.feed(text)
    extractor.finish()
    # Milliseconds in truth; quadratic time would be a minute.
    assert time.process_time() - started < 1


@given(chunked, chunked)
def test_nothing_after_completion_changes_the_code(before: list[str], after: list[str]) -> None:
    extractor = CodeExtractor(PYTHON)
    code = extractor.feed("".join(before))
    if extractor.is_complete:
        assert extractor.feed("".join(after)) + extractor.finish() == ""
        assert extract_code("".join(before + after), PYTHON) == code


lines_of_code = st.lists(
    st.text(st.characters(exclude_characters="`~\n", exclude_categories=("Cs",)), max_size=12), max_size=8
).map(lambda lines: "".join(f"{line}\n" for line in lines))


@given(lines_of_code, st.sampled_from(["```", "````", "~~~"]), st.sampled_from(["python", "py", ""]))
def test_a_fenced_block_is_kept_verbatim(code: str, fence: str, label: str) -> None:
    text = f"Here is the code:\n\n{fence}{label}\n{code}{fence}\n\nIt works.\n"
    assert extract_code(text, PYTHON) == code


@given(lines_of_code)
def test_an_opened_block_is_kept_verbatim(code: str) -> None:
    extractor = CodeExtractor(PYTHON, is_open=True)
    assert extractor.feed(f"{code}```\nDone.") + extractor.finish() == code
    assert extractor.is_complete


@given(lines_of_code)
def test_what_is_held_back_in_a_block_is_only_what_may_be_a_fence(code: str) -> None:
    extractor = CodeExtractor(PYTHON)
    extractor.feed("```python\n")
    read = released = ""
    for character in code:
        read += character
        released += extractor.feed(character)
        held = read.removeprefix(released)
        assert released + held == read
        assert held.strip(" \t") == ""
        assert len(held) <= 3


@pytest.mark.parametrize(
    ("line", "released"),
    [("    ret", "    ret"), ("  ", ""), ("  x", "  x"), ("`", ""), ("```", ""), ("```py", "```py"), ("a`", "a"),
     ("a ``` ", "a "), ("a`b", "a`b"), ("        ", "        ")],
)  # fmt: skip
def test_what_an_unfinished_line_releases(line: str, released: str) -> None:
    extractor = CodeExtractor(PYTHON)
    assert extractor.feed("```python\n" + line) == released


def test_bare_code_streams() -> None:
    extractor = CodeExtractor(PYTHON)
    assert extractor.feed("def f():") == ""
    assert extractor.feed("\n    ret") == "def f():\n    ret"
    assert extractor.state is ExtractorState.BARE
    assert extractor.feed("urn 1\n\n") == "urn 1\n"
    assert extractor.feed("def g") == ""
    assert extractor.feed("():\n") == "\ndef g():\n"
    assert not extractor.had_fence


def test_a_block_of_another_language_waits_for_the_end() -> None:
    extractor = CodeExtractor(PYTHON)
    assert extractor.feed("```bash\nls\n```\n") == ""
    assert extractor.state is ExtractorState.BETWEEN
    assert not extractor.is_complete
    assert extractor.finish() == "ls\n"


def test_states_of_the_usual_answer() -> None:
    extractor = CodeExtractor(PYTHON)
    states = [extractor.state]
    for piece in ("Here it is:\n", "```python\n", "x = 1\n", "```", "\n"):
        extractor.feed(piece)
        states.append(extractor.state)
    names = [state.name for state in states]
    assert names == ["UNDECIDED", "PROSE", "BLOCK", "BLOCK", "BLOCK", "DONE"]
    assert extractor.had_fence
    assert extractor.is_complete
    assert extractor.finish() == ""
