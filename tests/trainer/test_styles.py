"""What is measured of code, by cases that can be checked by hand."""

from __future__ import annotations

import pytest

from trainer.styles import STYLES, code_length, documentation_share, without_documentation


@pytest.mark.parametrize(
    ("code", "length"),
    [
        ("", 0),
        ("\n\n", 0),
        ("x = 1", 6),
        ("x = 1\n", 6),
        ("x = 1   \n\n\ny = 2", 12),
        ("if x:\n    y()\n", 14),
    ],
)
def test_length_counts_what_is_written(code: str, length: int) -> None:
    assert code_length(code) == length


@pytest.mark.parametrize(
    ("code", "share"),
    [
        ("", 0),
        ("x = 1\n", 0),
        ("# why\n", 5 / 6),
        ("x = '# no comment'\n", 0),
        ("x = 1  # why\n", 5 / 13),
        ("x = 'a string, no docstring'\n", 0),
        ('def f():\n    "what"\n    return 1\n', 7 / 33),
        ('"module"\n', 1),
        # Broken code: what can be cut into tokens counts.
        ("# why\ndef f(:\n", 5 / 14),
        ("x = (\n# why\n", 5 / 12),
    ],
)
def test_documentation_is_comments_and_docstrings(code: str, share: float) -> None:
    assert documentation_share(code) == pytest.approx(share)


def test_the_measures_rise_from_low_to_high() -> None:
    bare = "def f(a):\n    return a + 1\n"
    full = 'def f(a):\n    """Add one."""\n    # One more.\n    result = a + 1\n    return result\n'
    for style in STYLES.values():
        assert style.measure(bare) < style.measure(full)


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ("x = 1  # why\n", "x = 1\n"),
        ("# why\nx = '# no comment'\n", "x = '# no comment'\n"),
        ('def f():\n    """What.\n\n    More.\n    """\n    return 1\n', "def f():\n    return 1\n"),
        ('class A:\n    "What."\n\n    x = """data"""\n', 'class A:\n    x = """data"""\n'),
        # Nothing would be left of the body.
        ('def f():\n    "what"\n', None),
        ("def f(:\n", None),
    ],
)
def test_a_program_without_its_documentation(code: str, bare: str | None) -> None:
    assert without_documentation(code) == bare
