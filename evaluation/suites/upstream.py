"""Where each benchmark is published, at one commit or release, and the SHA-256 of what lies there.

A hash of None: no copy was at hand to take it from. Such a file is not fetched, since nothing would show what came.
Hashes were taken from clones at the commits named, and HumanEval+'s from a project that pins the same release. MBPP's
is that of the same rows as another project has them, written the way upstream writes them: as long as upstream's file
to the character, and equal to it in the last 7,000, which are all that was compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from evaluation.suites.polyglot import HUMANEVAL_X, MULTIPL_E


@dataclass(frozen=True, slots=True)
class Upstream:
    """One published file.

    url      of the file
    sha256   of its bytes as they are served; None: not pinned
    licence  of the data
    """

    url: str
    sha256: str | None
    licence: str


_RAW: Final = "https://raw.githubusercontent.com"
_INFILLING: Final = f"{_RAW}/openai/human-eval-infilling/88062ff9859c875d04db115b698ed4b0f0395170/data"
_CODEGEEX: Final = (
    f"{_RAW}/THUDM/CodeGeeX/2838420b7b4492cf3d16bce5320e26e65960c9e2/codegeex/benchmark/humaneval-x"
)
_DEEPSEEK: Final = (
    f"{_RAW}/deepseek-ai/DeepSeek-Coder/2f9fd85927c669dae3c0fbb2d607274023af243e/Evaluation/HumanEval/data"
)

_HUMANEVAL_X_SHA256: Final = {
    "cpp": "dcf2e280a1e91bbc3c5f90edb41397e8a9ac1ccc9f5d2b70082f0b0fbfb6dbb0",
    "go": "09126ef64ac68f87296c5f3781186aedc5dec799b114d9df99d6de4a715a7830",
    "java": "276f36db2eb7aeb864f36a19a2f4e1bb2460fb6e22ff100f0b5bedabe3799967",
    "js": "fe5d467f2c1a027b3f6f18d3729aca01f6458c1de2e2d1292a019c5aa9bed424",
    "python": "5752fb122efddb0e9b47c77907ae6ce9a15aac4dea14e44c46032c831e6b987a",
    "rust": "ae5cabbbfc8fe25244a608b04f09ac3b324c645ac969dfc033756c12f0f9924c",
}
_MULTIPL_E_SHA256: Final = {
    "cpp": "8717eabdf202137158c84506144b0fb1e73d5ecccbe5363ec79009ca014df629",
    "cs": "1c3fe18be10addc2d0b96311f4db192ae3232e08628d17768d889d6ab87be224",
    "go": "7f5dfe3ff001049b1221e9d21a8119b5cbc38eb87c97fefc5d57fa7adc1df888",
    "java": "b21b015763452ec4f9f4e0e6425148ec331ace4da1232c8b4d441186185f6265",
    "js": "634e2eee8d6e22de07c121b972207683dd96be76256bf44bdfc1a3386b739287",
    "php": "bebd86875b1d8e65a8b7e692ed7bdf64612b44aa388825ea4dab40c7047c786b",
    "rs": "e33f562838e973b7e6b8d76dbc1fb84b076d7426629b4cdc624f12678778d2fa",
    "sh": "2f702106e9ce4aa7385de568d9248d6c57c90382d782b162cb9e072fbd01ccf8",
    "ts": "4b1af1050c9f226335d54a8c80553c39454a525cace3e67bdcfcc9092ba02637",
}

UPSTREAM: Final[dict[str, Upstream]] = {
    "humaneval": Upstream(
        f"{_RAW}/openai/human-eval/6d43fb980f9fee3c892a914eda09951f772ad10d/data/HumanEval.jsonl.gz",
        "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
        "MIT",
    ),
    "humaneval+": Upstream(
        "https://github.com/evalplus/humanevalplus_release/releases/download/v0.1.10/"
        "HumanEvalPlus-OriginFmt.jsonl.gz",
        "daa7661c8189924068069b0872a440b491edb60f8bdf431d5957adc88d18bae5",
        "Apache-2.0",
    ),
    "mbpp": Upstream(
        f"{_RAW}/google-research/google-research/30adf0ec5f35f9609c2f1d896005e184195d9146/mbpp/sanitized-mbpp.json",
        "ca95deaa9a01ef0a6f439f88bcf0dd3db3563d22f22aad6cae04ebb9a8d8c8e9",
        "CC-BY-4.0",
    ),
    "mbpp+": Upstream(
        "https://github.com/evalplus/mbppplus_release/releases/download/v0.2.0/MbppPlus-OriginFmt.jsonl.gz",
        None,
        "Apache-2.0",
    ),
    "infill-single": Upstream(
        f"{_INFILLING}/HumanEval-SingleLineInfilling.jsonl.gz",
        "1277073e7ddce163ef68598c2bca777f688a53df99422f097e37362090f88e1f",
        "MIT",
    ),
    "infill-multi": Upstream(
        f"{_INFILLING}/HumanEval-MultiLineInfilling.jsonl.gz",
        "2f341612eee1d35da1357a4f365e0c0b3ba6e2b62eb491e88aaefa4855af0349",
        "MIT",
    ),
    "infill-random": Upstream(
        f"{_INFILLING}/HumanEval-RandomSpanInfilling.jsonl.gz",
        "b4f330d8a8ff97bf85d9def497dffcae4d741e506449386a877236e422e33e8d",
        "MIT",
    ),
    **{
        f"humaneval-x-{key}": Upstream(
            f"{_CODEGEEX}/{key}/data/humaneval_{key}.jsonl.gz", _HUMANEVAL_X_SHA256[key], "Apache-2.0"
        )
        for key in HUMANEVAL_X
    },
    **{
        f"multipl-e-{key}": Upstream(
            f"{_DEEPSEEK}/humaneval-{key}.jsonl",
            _MULTIPL_E_SHA256[key],
            "BSD-3-Clause, not for training",
        )
        for key in MULTIPL_E
    },
    "apps": Upstream(
        f"{_RAW}/Md-Ashraful-Pramanik/MapCoder/0027da71030b441cca2bc6f95def86b9aa5c7dea"
        "/data/APPS/selected150.jsonl",
        "0f27851c4f48842413a4afdd9aa94c295d5d639af95165e2810869903f219e80",
        "MIT of MapCoder; statements of contest sites",
    ),
}
