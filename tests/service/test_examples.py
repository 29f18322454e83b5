"""`select: "examples"`: candidates of a scripted engine, run in the real sandbox."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from sandbox import LanguageMissingError, NoIsolationError, SandboxPool, available_languages, prove_isolation
from sandbox.runner import require_language
from service.engine import Delta, GenerationRequest
from service.example_task import SUPPORTED
from service.fake_engine import FakeEngine
from tests.conftest import Running, Serve, until
from tests.service.streams import payloads


def _no_isolation() -> str:
    try:
        prove_isolation()
    except NoIsolationError as error:
        return str(error)
    return ""


needs_sandbox = pytest.mark.skipif(bool(_no_isolation()), reason=f"nothing may run here: {_no_isolation()}")


def skip_without(language: str) -> None:
    try:
        require_language(language, prove_isolation())
    except LanguageMissingError as error:
        pytest.skip(str(error))


RIGHT = "def add(a, b):\n    return a + b\n"
WRONG = "def add(a, b):\n    return a - b\n"
HALF = "def add(a, b):\n    return a\n"
EXAMPLES = [{"input": "add(1, 2)", "output": "3"}, {"input": "add(4, 0)", "output": "4"}]
ASK: dict[str, Any] = {"prompt": "Add.", "select": "examples", "examples": EXAMPLES}


class Scripted(FakeEngine):
    """Answers with given codes, from the likeliest to the least likely."""

    def __init__(self, *codes: str) -> None:
        super().__init__()
        self.codes = codes

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        # Under the mask the fence is a stop token and no text.
        end = "" if request.syntax else "```"
        for index, code in enumerate(self.codes):
            yield Delta(index, f"{code}{end}", 10, -1.0 - index, "stop")


async def ask(service: Running, **fields: Any) -> dict[str, Any]:
    engine = service.engine
    candidates = len(engine.codes) if isinstance(engine, Scripted) else 1
    answer = await service.client.post("/generate", json={**ASK, "candidates": candidates, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refusal(service: Running, **fields: Any) -> dict[str, Any]:
    answer = await service.client.post("/generate", json={**ASK, **fields})
    assert answer.status_code == 400, answer.text
    assert service.engine.requests == []
    return answer.json()["error"]


def passed(report: dict[str, Any]) -> list[int | None]:
    return [each["passed_examples"] for each in report["candidates"]["each"]]


@needs_sandbox
async def test_what_passes_goes_before_what_is_likelier(in_process: Serve) -> None:
    async with in_process(Scripted(WRONG, HALF, RIGHT, RIGHT)) as service:
        report = await ask(service)
        page = (await service.client.get("/metrics")).text
    assert report["code"] == RIGHT
    assert report["candidates"]["passed_examples"] == 2
    assert report["candidates"]["chosen"] == 2
    assert passed(report) == [1, 1, 2, 2]
    assert report["timings_ms"]["examples"] > 0
    # Equal programs are run once: one run each of three programs, two more of the two that failed.
    assert 'codefusion_example_runs_total{verdict="passed"} 3.0' in page
    assert 'codefusion_example_runs_total{verdict="failed"} 4.0' in page
    assert "codefusion_examples_seconds_count 1.0" in page


@needs_sandbox
@pytest.mark.parametrize("stream", [False, True])
async def test_one_candidate_is_judged_too(in_process: Serve, stream: bool) -> None:
    async with in_process(Scripted(HALF)) as service:
        answer = await service.client.post("/generate", json={**ASK, "stream": stream})
    report = payloads(answer.text)[-1] if stream else answer.json()
    assert (report["code"], passed(report), report["candidates"]["passed_examples"]) == (HALF, [1], 0)


@needs_sandbox
async def test_several_candidates_stream_the_one_that_passes(in_process: Serve) -> None:
    async with in_process(Scripted(WRONG, RIGHT)) as service:
        answer = await service.client.post("/generate", json={**ASK, "stream": True, "candidates": 2})
    piece, report = payloads(answer.text)
    assert piece["delta"] == report["code"] == RIGHT


@needs_sandbox
async def test_none_that_passes_leaves_the_likeliest(in_process: Serve) -> None:
    async with in_process(Scripted("x = = 1\n", WRONG, "")) as service:
        report = await ask(service, examples=EXAMPLES[:1])
    assert report["code"] == "x = = 1\n"
    assert passed(report) == [0, 0, 0]


@needs_sandbox
async def test_the_candidates_are_shown_when_asked_for(in_process: Serve) -> None:
    async with in_process(Scripted(WRONG, RIGHT)) as service:
        report = await ask(service, return_candidates=True)
    assert report["candidates"]["each"] == [
        {"passed_examples": 1, "mean_logprob": -0.1, "finish_reason": "stop", "code": WRONG},
        {"passed_examples": 2, "mean_logprob": -0.2, "finish_reason": "stop", "code": RIGHT},
    ]


@needs_sandbox
async def test_a_completion_is_run_with_what_stands_around_it(in_process: Serve) -> None:
    around = {"prompt": None, "prefix": "def add(a, b):\n    return ", "suffix": "\n\nZERO = 0\n"}
    async with in_process(Scripted("a", "a + b")) as service:
        engine: Any = service.engine
        engine.generate = _verbatim(engine)
        report = await ask(service, **around)
    assert (report["code"], passed(report)) == ("a + b", [1, 2])


def _verbatim(engine: Scripted) -> Any:
    async def generate(request: GenerationRequest) -> AsyncGenerator[Delta, None]:
        for index, code in enumerate(engine.codes):
            yield Delta(index, code, 10, -1.0 - index, "stop")

    return generate


READERS = {
    "python": "print(int(input()) + 1)\n",
    "javascript": "console.log(Number(require('fs').readFileSync(0)) + 1)\n",
    "typescript": "const n: number = Number(require('fs').readFileSync(0));\nconsole.log(n + 1);\n",
    "java": "import java.util.*;\nclass Main {\n  public static void main(String[] a) {\n"
    "    System.out.println(new Scanner(System.in).nextInt() + 1);\n  }\n}\n",
    "c": '#include <stdio.h>\nint main(void) { int n; scanf("%d", &n); printf("%d\\n", n + 1); }\n',
    "cpp": "#include <iostream>\nint main() { int n; std::cin >> n; std::cout << n + 1; }\n",
    "go": 'package main\nimport "fmt"\nfunc main() { var n int; fmt.Scan(&n); fmt.Println(n + 1) }\n',
    "rust": "fn main() {\n  let mut s = String::new();\n  std::io::stdin().read_line(&mut s).unwrap();\n"
    '  println!("{}", s.trim().parse::<i32>().unwrap() + 1);\n}\n',
    "bash": "read n\necho $((n + 1))\n",
}


@needs_sandbox
@pytest.mark.parametrize("language", SUPPORTED["stdin"])
async def test_programs_are_run_on_stdin(in_process: Serve, language: str) -> None:
    skip_without(language)
    right, wrong = READERS[language], READERS[language].replace("1", "2")
    cases = [{"input": "4\n", "output": "5"}, {"input": "-1\n", "output": "0"}]
    async with in_process(Scripted(wrong, right), sandbox__cpu_seconds=10) as service:
        report = await ask(service, language=language, examples_form="stdin", examples=cases)
    assert (report["code"], passed(report)) == (right, [0, 2])


@needs_sandbox
@pytest.mark.parametrize("language", ["javascript", "typescript"])
async def test_calls_in_javascript_compare_values_deeply(in_process: Serve, language: str) -> None:
    skip_without(language)
    right, wrong = "const twice = (x) => [x, [x]];\n", "const twice = (x) => [x, x];\n"
    cases = [{"input": "twice(2)  // a pair", "output": "[2, [2]]"}]
    async with in_process(Scripted(wrong, right), sandbox__cpu_seconds=10) as service:
        report = await ask(service, language=language, examples=cases)
    assert (report["code"], passed(report)) == (right, [0, 1])


@needs_sandbox
async def test_values_of_the_codes_own_classes_are_compared(in_process: Serve) -> None:
    code = "class Pair:\n    def __init__(self, a):\n        self.a = a\n"
    async with in_process(Scripted(code)) as service:
        report = await ask(service, examples=[{"input": "Pair(3).a", "output": "3"}])
    assert passed(report) == [1]


@needs_sandbox
async def test_hostile_candidates_harm_nobody_and_do_not_pass(in_process: Serve) -> None:
    hostile = [
        "import os\nos._exit(0)\n",
        "while True:\n    pass\n",
        "import builtins\nbuiltins.AssertionError = Exception\ndef add(a, b):\n    raise SystemExit(0)\n",
        "class Yes:\n    def __eq__(self, other):\n        return True\ndef add(a, b):\n    return Yes()\n",
        "x\0y\n",
    ]
    async with in_process(Scripted(*hostile, RIGHT), sandbox__cpu_seconds=0.5) as service:
        report = await ask(service)
    assert passed(report) == [0, 0, 0, 0, 0, 2]
    assert report["code"] == RIGHT


@needs_sandbox
async def test_what_time_did_not_allow_is_not_called_a_failure(in_process: Serve) -> None:
    asleep = "import time\ntime.sleep(9)\n"
    async with in_process(Scripted(asleep, RIGHT), sandbox__seconds=1.5) as service:
        begun = time.monotonic()
        report = await ask(service)
    assert time.monotonic() - begun < 8
    assert passed(report) == [None, 2]
    assert report["code"] == RIGHT


@needs_sandbox
async def test_runs_beyond_the_queue_are_left_out(in_process: Serve) -> None:
    slow = "import time\ntime.sleep(0.5)\n"
    codes = [f"{slow}x = {i}\n{RIGHT}" for i in range(4)]
    async with in_process(Scripted(*codes), sandbox__slots=1, sandbox__max_queued=0) as service:
        report = await ask(service)
        page = (await service.client.get("/metrics")).text
    assert passed(report).count(None) == 3
    assert passed(report).count(2) == 1
    assert 'codefusion_example_runs_total{verdict="refused"} 3.0' in page


@needs_sandbox
async def test_a_client_that_leaves_frees_the_slots(over_socket: Serve) -> None:
    asleep = "import time\ntime.sleep(9)\n"
    engine = Scripted(asleep)
    async with over_socket(engine, sandbox__slots=1) as service:
        with pytest.raises(Exception, match=r"timed out|^$"):
            await service.client.post("/generate", json=ASK, timeout=0.7)
        await until(lambda: service.lifecycle.open_requests == 0)
        engine.codes = (RIGHT,)
        report = await ask(service)
    assert passed(report) == [2]


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_switched_off_it_is_refused_with_the_reason(in_process: Serve) -> None:
    async with in_process(sandbox__enabled=False) as service:
        error = await refusal(service)
        plain = await service.client.post("/generate", json={"prompt": "x", "examples": EXAMPLES})
    assert (error["param"], error["code"]) == ("select", "not_available")
    assert "sandbox.enabled" in error["message"]
    assert plain.status_code == 200


async def test_where_nothing_holds_it_is_refused_with_the_reason(
    in_process: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def enter(pool: SandboxPool) -> SandboxPool:
        raise NoIsolationError({"bubblewrap": "bwrap not found", "landlock": "kernel without it"})

    monkeypatch.setattr(SandboxPool, "__aenter__", enter)
    async with in_process() as service:
        error = await refusal(service)
    assert (error["param"], error["code"]) == ("select", "not_available")
    assert "bwrap not found" in error["message"]
    assert "kernel without it" in error["message"]


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"examples": []}, "examples", "at least one"),
        ({"examples": [{"input": "add(1", "output": "3"}]}, "examples.0.input", "Python expression"),
        ({"examples": [{"input": "3", "output": "3"}]}, "examples.0.input", "calls the code"),
        ({"examples": [*EXAMPLES, {"input": "add(1, 2)", "output": ""}]}, "examples.2.output", "expression"),
        ({"examples": [{"input": "add(1, 2)", "output": "x = 3"}]}, "examples.0.output", "for its value"),
        ({"examples": [{"input": f"add({'1' * 3000})", "output": "3"}]}, "examples.0.input", "2048"),
        ({"examples": [{"input": f"{'(' * 900}add(1, 2)", "output": "3"}]}, "examples.0.input", "expression"),
        ({"language": "rust"}, "language", "calls: python, javascript, typescript; stdin: python"),
        ({"language": "ruby", "examples_form": "stdin"}, "language", "stdin: python, javascript"),
        ({"language": "text"}, "language", "calls: python"),
        ({"examples_form": "calling"}, "examples_form", ""),
    ],
)
async def test_examples_that_cannot_be_run_are_refused_by_name(
    in_process: Serve, fields: dict[str, Any], param: str, said: str
) -> None:
    async with in_process() as service:
        error = await refusal(service, **fields)
    assert error["param"] == param
    assert said in error["message"]


@needs_sandbox
async def test_a_language_without_toolchain_is_refused_with_the_reason(in_process: Serve) -> None:
    absent = [name for name, found in available_languages().items() if isinstance(found, str)]
    if not absent:
        pytest.skip("every toolchain is here")
    async with in_process() as service:
        error = await refusal(service, language=absent[0], examples_form="stdin")
    assert (error["param"], error["code"]) == ("language", "unsupported_language")
    assert "cannot run here" in error["message"]
