"""Java beyond tree-sitter: what javac 17 refuses, as early as no program can begin so."""

from __future__ import annotations

import pytest

from grammar import Language, can_end, is_viable_prefix, load_language


@pytest.fixture(scope="module")
def java() -> Language:
    return load_language("java")


FILES = [
    ("", True, True),
    (";", True, True),
    ("package a.b;", True, True),
    ("@A package a;", True, True),
    ("; package", False, False),
    ("package a; ; import b.c; import static d.*;", True, True),
    ("import a;", False, False),
    ("class A {} import", False, False),
    ("class A {} ; interface B {} @interface C {} enum D {} record E() {}", True, True),
    ("@A @B public final class X {}", True, True),
    ("public import", False, False),
    ("int ", False, False),
    ("x", False, False),
    ("void f", False, False),
    ("{", False, False),
    ("if", False, False),
    ("public public", False, False),
    ("public int ", False, False),
    ("record x =", False, False),
    ("module a.b { requires static transitive c; exports a.b to d, e; provides f with g; }", True, True),
    ("module;", False, False),
    ("open module a {}", True, True),
    ("open;", False, False),
    ("module a {} class", False, False),
    ("package a; module b", False, False),
    ("package a; import b.c; import d.e; open module", False, False),
    ("import a.b; import c.*; module d {}", True, True),
    ("; module", False, False),
    ("import a.b; ; module", False, False),
    ("package a; import b.c; ; import d.e; class F {}", True, True),
    ("; import a.b; class C {}", True, True),
    ("; package", False, False),
    ("sealed interface A permits B, C {}", True, True),
    ("class A permits", False, False),
    ("non-sealed class A {}", True, True),
]
MEMBERS = [
    ("X() {}", True),
    ("<T> X(T t) throws E {}", True),
    ("X {", False),
    ("static X {", False),
    ("void x() {}", True),
    ("void x;", False),
    ("void x =", False),
    ("void open() {}", True),
    ("void[", False),
    ("static {} {} ; int a, b[] = {1, 2}, c;", True),
    ("static static", False),
    ("public static final public", False),
    ("@A(x = 1) public @B static int f() { return 1; }", True),
    ("int f(final int a, @A int b, int... c) throws A, b.C {}", True),
    ("int f(static", False),
    ("int f(int... a,", False),
    ("int f(int... a =", False),
    ("int f(X this, int a) {}", True),
    ("int f() throws int", False),
    ("int if", False),
    ("Map<String, List<? extends T>> m = new HashMap<>();", True),
    ("List<> x", False),
    ("interface I { int x = 1; void f(); default int g() { return 1; } }", True),
    ("interface I { int x;", False),
    ("interface I { int x = 1, y;", False),
    ("interface I { I(", False),
    ("@interface A { int x() default 1; String[] y() default {}; }", True),
    ("enum E { @X A, B(1) { int x; }, C; E() {} int x; }", True),
    ("enum E { A, public", False),
    ("enum E { A { A(", False),
    ("record R(int a, T... b) { R {} static int x; int f() { return a; } }", True),
    ("record R(final", False),
    ("record R(int a) { int x;", False),
    ("record R(int a) { int x =", False),
    ("record R(int a) { {", False),
    ("Object o = new A() { int x; { f(); } int g() { return 1; } };", True),
    ("Object o = new A() { A(", False),
    ("void f(X this) {}", True),
    ("void f(X this, int a) {}", True),
    ("class Y { Y(X X.this) {} }", True),
    ("void f() [", False),
    ("int f()[] { return a; }", True),
    ("int f() @", False),
    ("class Y { Y() [", False),
]
STATEMENTS = [
    ("x = new Class<?>[1]", True),
    ("x = new A<B>[1]", True),
    ("x = new A<>()", True),
    ("a + ", False),
    ("a;", False),
    ("a.b;", False),
    ("(a);", False),
    ("(a).b();", True),
    ("(A) b", False),
    ("((A) b).c();", True),
    ("5;", False),
    ("!", False),
    ("a = b + c; a += 1; a++; --b; f(); a.b(c)[0] = 1; new A(); this.x = 1; super.f(); int.class.f();", True),
    ("a ? ", False),
    ("a instanceof", False),
    ("a -> ", False),
    ("f() + ", False),
    ("a < b", True),
    ("a < b > c;", True),
    ("final int x = 1; @A String s; var y = 2; int a[] = {1}, b;", True),
    ("void x", False),
    ("static int", False),
    ("public class", False),
    ("final class A {} abstract class B {} enum C {} record D(int a) {} interface E {}", True),
    ("synchronized int", False),
    ("synchronized (x) {}", True),
    ("if (a) int x", False),
    ("if (a) A x", False),
    ("if (a) List<B> x", False),
    ("if (a) class", False),
    ("if (a) final", False),
    ("if (a) b(); else { int x; }", True),
    ("L: while (a) break L;", True),
    ("L: int x", False),
    ("do int x", False),
    ("do f(); while (a);", True),
    ("for (;;) ;", True),
    ("for (int i = 0, j; i < 1; i++, f()) g();", True),
    ("for (i = 0, f(); a; ) {}", True),
    ("for (a;", False),
    ("for (;; a)", False),
    ("for (final A b : c) d();", True),
    ("for (;;) int x", False),
    ("switch (a) { case 1: case 2: int x = 1; f(); break; default: g(); }", True),
    ("switch (a) { case 1: switch (b) { case 2: f(); default: g(); } default: h(); }", True),
    ("switch (a) { case 1, 2 -> f(); case 3 -> { } default -> throw e; }", True),
    ("switch (a) { case 1 -> 5;", False),
    ("x = switch (a) { case 1 -> 5; default -> { yield 6; } };", True),
    ("switch (a) { case A b", False),
    ("if (a instanceof B b && a instanceof final C c) f();", True),
    ("try { } catch (final A | B e) { } finally { }", True),
    ("try (A a = b; c) { }", True),
    ("x = new int[]{1, 2,}; y = new int[3][]; z = new A<>() { };", True),
    ("x = new int(", False),
    ("x = new A<>[", False),
    ("x = new void", False),
    ("x = (a, b) -> { return 1; }; y = (int... a) -> 1;", True),
    ("x = (int... a, ", False),
    ("int _", False),
    ("return return", False),
    ("class", True),
    ("import", False),
    ("yield 1; yield = 2; open = 3; record = 4; record.f();", True),
    ("x = (A a.", False),
    ("f((A a, B b.", False),
    ("f((A a, B b) -> a.b());", True),
    ("f((a).b, (A) a.b);", True),
    ("for (A a : a.b) c();", True),
    ("A a = a.b;", True),
    ("try (A a = a.b) {}", True),
    ("if (x instanceof A a && a.b) c();", True),
    ("if (x instanceof A(", False),
    ("if (x instanceof a.B(", False),
    ("if (x instanceof final A a) c();", True),
    ("if ((x instanceof A) == (y)) c();", True),
    ('x = a."', False),
    ('x = a.b + "";', True),
    ("(A a", False),
    ("(int a", False),
    ("(a.B b", False),
    ("(@", False),
    ("(final", False),
    ("(a instanceof A b ? c : d).e();", True),
    ("(a + b).c();", True),
    ("(a,", False),
    ("()", False),
    ("(5).a();", True),
    ("(this).a = b;", True),
    ("(a[0]).b();", True),
    ("(f()).b();", True),
    ("(a ? b : c).d();", True),
    ('("a").b();', True),
    ("if (a) B<", False),
    ("B<C> d;", True),
    ("(new A()).b();", True),
    ("(int.class).b();", True),
    ("((A a) -> b).c", True),
    ("if (a) b @", False),
    ("String @A [] x;", True),
    ("x = A<B>.class", False),
    ("x = A.class;", True),
    ("x = A<B>.C::new;", True),
]
LEXEMES = [
    ("2147483648", True),
    ("2147483649", False),
    ("3000000000L", True),
    ("0xFFFF_FFFF", True),
    ("0x1FFFFFFFF", False),
    ("037777777777", True),
    ("047777777777", False),
    ("0o17", False),
    ("0b101L", True),
    ("0x1.8p3", True),
    ("0x1.8", False),
    ("1e10f", True),
    ("'a'", True),
    ("'ab'", False),
    ("''", False),
    (r"'\''", True),
    (r"'\u0041'", True),
    (r"'\u005cn'", True),
    (r"'\q'", False),
    (r'"\t\s\101A"', True),
    (r'"\q"', False),
    ('"a\nb"', False),
    ('"""\n a "b" \\\n c\\n"""', True),
    ("éa‿", True),
    ("a\u00b7", False),
    ("\u2118", False),
    ('"""a', False),
    ('"""  \n a"""', True),
    ('"""\r\n a"""', True),
    ('""" "', False),
    ('""""""', False),
    ('"a\\\nb"', False),
    ('"a\\\r\nb"', False),
    ('"""\n\\\n\\\na"""', True),
    ('"""\r\na\\\r\nb"""', True),
    ('"""\na""" + "\\\nb"', False),
]


@pytest.mark.parametrize(("text", "viable", "ends"), FILES)
def test_the_shape_of_a_file(java: Language, text: str, *, viable: bool, ends: bool) -> None:
    assert is_viable_prefix(java, text.encode()) == viable
    assert can_end(java, text.encode()) == ends


@pytest.mark.parametrize(("text", "viable"), MEMBERS)
def test_members(java: Language, text: str, *, viable: bool) -> None:
    assert is_viable_prefix(java, f"class X {{ {text} ".encode()) == viable
    assert can_end(java, f"class X {{ {text} }}".encode()) == viable


@pytest.mark.parametrize(("text", "viable"), STATEMENTS)
def test_statements(java: Language, text: str, *, viable: bool) -> None:
    assert is_viable_prefix(java, f"class X {{ void f() {{ {text} ".encode()) == viable


@pytest.mark.parametrize(("text", "viable"), LEXEMES)
def test_literals(java: Language, text: str, *, viable: bool) -> None:
    data = f"class X {{ Object x = {text};".encode()
    assert is_viable_prefix(java, data) == viable


KEYWORDS = "abstract assert boolean break byte case catch char class continue default do double else enum extends final finally float for if implements import instanceof int interface long native new package private protected public return short static strictfp super switch synchronized this throw throws transient try void volatile while true false null _"  # noqa: E501


@pytest.mark.parametrize("word", KEYWORDS.split())
def test_a_keyword_is_no_name(java: Language, word: str) -> None:
    assert not is_viable_prefix(java, f"class X {{ int {word} = 1;".encode())
    assert not is_viable_prefix(java, f"class {word} {{".encode())


CONTEXTUAL = "module open record sealed with requires exports to permits"


@pytest.mark.parametrize("word", CONTEXTUAL.split())
def test_a_contextual_keyword_is_a_name(java: Language, word: str) -> None:
    data = f"class X {{ int {word} = 1; int f() {{ {word}++; return {word}; }} }}".encode()
    assert can_end(java, data)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("class A{A(){}}", True),
        ("class A{B(){}}", False),
        ("class A{A x; B y; A f(){return null;} B.C z;}", True),
        ("class A{class B{B(){} A f(){}} A(){}}", True),
        ("class A{class B{A(){}}}", False),
        ("class A{class B{} B(){}}", False),
        ("class A{}class B{A(){}}", False),
        ("class A{}class B{B(){}}", True),
        ("enum E{X; E(){}}", True),
        ("enum E{X; F(){}}", False),
        ("enum E{X{E(){}}}", False),
        ("record R(int a){R{}}", True),
        ("record R(int a){Q{}}", False),
        ("record R(int a){public R(int a, int b){this(a);}}", True),
        ("interface I{I(){}}", False),
        ("class A{Object o = new A(){A(){}};}", False),
        ("class A{Object o = new A(){}; A(){}}", True),
        ("class A{void f(){class L{L(){}}} A(){}}", True),
        ("class A{void f(){class L{A(){}}}}", False),
        ("class A/*c*/{/*x*/public A/*y*/ (){}}", True),
        ("class A/*c*/{/*x*/public B/*y*/ (){}}", False),
        ("class A<T extends B>{<T> A(T t){}}", True),
        ("class A<T extends B>{<T> B(T t){}}", False),
        ("class A extends B{B(){super();}}", False),
        ("class Été{Été(){}}", True),
        ("class Été{Éte(){}}", False),
    ],
)
def test_a_constructor_is_named_as_its_class(java: Language, text: str, *, ends: bool) -> None:
    assert can_end(java, text.encode()) == ends


@pytest.mark.parametrize(("length", "ends"), [(255, True), (256, False)])
def test_names_are_compared_up_to_a_length(java: Language, length: int, *, ends: bool) -> None:
    name = b"a" * length
    assert can_end(java, b"class " + name + b"{" + name + b"(){}}") == ends


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("class A{void f(A this){}}", True),
        ("class A{void f(@X Map<A,B> this, int b){}}", True),
        ("class A{class B{B(A A.this){}}}", True),
        ("class A{void f(int a, A this){}}", False),
        ("class A{A(Map<A,B> a, int b, A this){}}", False),
        ("record R(R this){}", False),
    ],
)
def test_a_receiver_comes_first_in_a_method(java: Language, text: str, *, ends: bool) -> None:
    assert can_end(java, text.encode()) == ends


@pytest.mark.parametrize(
    ("expression", "ends"),
    [
        ("a.<B>c()", True),
        ("a.<B, D<?>>c()", True),
        ("this.<B[]>c()", True),
        ("super.<@X B>c()", True),
        ("a.b.<?>c()", False),
        ("a.<B, ?>c()", False),
        ("a.<>c()", False),
        ("A::<B>c", True),
        ("A::<?>c", False),
        ("(A<?>.B<?>) c", True),
        ("new A<>()", True),
        ("new a.A<?>[1]", True),
        ("a.b < c", True),
        ("a.b<c, d>e", False),
    ],
)
def test_type_arguments(java: Language, expression: str, *, ends: bool) -> None:
    assert can_end(java, f"class A {{ Object f() {{ return {expression}; }} }}".encode()) == ends
