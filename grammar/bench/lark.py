"""The grammars in grammars/ written out: sections repeated for each word (see the head of python.lark)."""

from __future__ import annotations

from pathlib import Path

from grammar.errors import GrammarError

FOLDER = Path(__file__).parent / "grammars"
_EACH = "// each: "


def lark_of(language: str) -> str:
    """Give the plain Lark grammar of a language. Raises GrammarError when none was written."""
    path = FOLDER / f"{language}.lark"
    if not path.is_file():
        raise GrammarError(f"no grammar of {language} was written for this engine")
    return expand(path.read_text(encoding="utf-8"))


def expand(template: str) -> str:
    """Write each section out once for each of its words; a section ends at the next comment line."""
    words: list[str] = []
    section: list[str] = []
    out: list[str] = []

    def close() -> None:
        text = "\n".join(section)
        out.extend([_fill(text, word) for word in words] if words else [text])
        section.clear()

    for line in template.splitlines():
        if line.startswith("//"):
            close()
            words = line.removeprefix(_EACH).split() if line.startswith(_EACH) else []
        else:
            section.append(line)
    close()
    return "\n".join(line for text in out for line in text.splitlines() if line.strip()) + "\n"


def _fill(text: str, word: str) -> str:
    if word.isdigit():
        text = text.replace("$*4", str(4 * int(word))).replace("$+", str(int(word) + 1))
    return text.replace("S_$", f"S_{word.upper()}").replace("$", word)  # terminals have capitals only
