"""A right and a wrong program in each language, with tests of their function f (x to x + 1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """`right` passes `tests`; with "+ 2" for "+ 1" it is wrong; `stdin` writes the successor of what it reads."""

    right: str
    tests: str
    stdin: str
    broken: str = "}{("

    @property
    def wrong(self) -> str:
        """The program with a mistake in it."""
        return self.right.replace("+ 1", "+ 2")


_JAVA_TESTS = (
    "public class Main {\n    public static void main(String[] args) {\n"
    "        if (Solution.f(1) != 2) throw new AssertionError();\n    }\n}\n"
)
_JAVA_STDIN = (
    "import java.util.*;\npublic class Main {\n    public static void main(String[] args) {\n"
    "        System.out.println(new Scanner(System.in).nextInt() + 1);\n    }\n}\n"
)
_GO_STDIN = (
    'package main\nimport "fmt"\nfunc main() {\n\tvar x int\n\tfmt.Scan(&x)\n\tfmt.Println(x + 1)\n}\n'
)
_RUST_STDIN = (
    "fn main() {\n    let mut line = String::new();\n    std::io::stdin().read_line(&mut line).unwrap();\n"
    '    println!("{}", line.trim().parse::<i64>().unwrap() + 1);\n}\n'
)
_NODE_STDIN = "console.log(Number(require('fs').readFileSync(0, 'utf8')) + 1)"

EXAMPLES = {
    "python": Example("def f(x):\n    return x + 1\n", "assert f(1) == 2", "print(int(input()) + 1)"),
    "javascript": Example("function f(x) { return x + 1 }", "console.assert(f(1) === 2)", _NODE_STDIN),
    "typescript": Example(
        "function f(x: number): number { return x + 1 }",
        "declare var require: any;\nrequire('node:assert').deepEqual(f(1), 2)",
        f"declare var require: any;\n{_NODE_STDIN}",
    ),
    "java": Example(
        "class Solution {\n    static int f(int x) { return x + 1; }\n}\n", _JAVA_TESTS, _JAVA_STDIN
    ),
    "c": Example(
        "int f(int x) { return x + 1; }",
        "#include <assert.h>\nint main() { assert(f(1) == 2); }",
        '#include <stdio.h>\nint main(void) { int x; scanf("%d", &x); printf("%d\\n", x + 1); }',
    ),
    "cpp": Example(
        "int f(int x) { return x + 1; }",
        "#include <cassert>\nint main() {\n    assert(f(1) == 2);\n    return 0;\n}\n",
        "#include <iostream>\nint main() { int x; std::cin >> x; std::cout << x + 1 << '\\n'; }",
    ),
    "go": Example(
        "package main\nfunc f(x int) int { return x + 1 }\n",
        'func main() {\n\tif f(1) != 2 {\n\t\tpanic("wrong")\n\t}\n}\n',
        _GO_STDIN,
    ),
    "rust": Example(
        "fn f(x: i64) -> i64 { x + 1 }\n", "fn main() {\n    assert_eq!(f(1), 2);\n}\n", _RUST_STDIN
    ),
    "bash": Example(
        "f() { echo $(($1 + 1)); }", "[[ $(f 1) = 2 ]]", "read x; echo $((x + 1))", broken="if ("
    ),
}

# Tests in a framework of the language's own, as HumanEval-X and MultiPL-E have them.
FRAMEWORKS = {
    "rust": (
        "fn main() {}\nfn f(x: i64) -> i64 { x + 1 }\n",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    fn test_f() { assert_eq!(f(1), 2); }\n}\n",
    ),
    "go": (
        'package main\nimport "testing"\nfunc f(x int) int { return x + 1 }\n',
        'func TestF(t *testing.T) {\n\tif f(1) != 2 {\n\t\tt.Fatal("wrong")\n\t}\n}\n',
    ),
    "java": (
        "class Problem {\n    static int f(int x) { return x + 1; }\n",
        "    public static void main(String[] args) {\n        assert(f(1) == 2);\n    }\n}\n",
    ),
}
