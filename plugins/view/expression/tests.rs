//! Expressions and their values.

use super::*;
use crate::trial::request;
use plugin_api::Clock;

/// The value of an expression about a query, as text; or the error.
fn run(text: &str) -> String {
    let request = request("www.example.org MX tcp do from=10.1.2.3 sport=4711 id=7", &Clock::manual());
    let program = match Program::compile(text, &QueryEnvironment::scope(false)) {
        Ok(program) => program,
        Err(error) => return format!("refused: {error}"),
    };
    program
        .run(&QueryEnvironment::new(&request))
        .map_or_else(|error| format!("error: {error}"), |value| value.to_string())
}

/// Checks values of expressions.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(run(text), *expected, "{text}");
    }
}

#[test]
fn signs_bind_as_they_should() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 ** 2", "-4"),
        ("2 ** 3 ** 2", "512"),
        ("7 % 4 - 1", "2"),
        ("7 / 2", "3.5"),
        ("1 < 2 and 2 < 3 || false", "true"),
        ("not true or true", "true"),
        ("!(1 == 1.0)", "false"),
        ("1 in [1, 2] && 3 not in [1, 2]", "true"),
        ("true ? 1 : 2", "1"),
        ("false ? 1 : true ? 2 : 3", "2"),
        ("if 1 > 2 {'a'} else {'b'}", "b"),
        ("nil ?? 'x'", "x"),
        ("let a = 2; let b = a * 3; a + b", "8"),
        ("'a' + 'b' == \"ab\"", "true"),
        ("0x1f + 1_000 + 0b11", "1034"),
        ("1.5e2", "150"),
        ("'tab\\t\\u0041' // comment", "tab\tA"),
    ]);
}

#[test]
fn text_is_looked_at() {
    check(&[
        ("'abc' contains 'b'", "true"),
        ("'abc' startsWith 'b'", "false"),
        ("'abc' not endsWith 'b'", "true"),
        ("'abc' matches '^[a-c]+$'", "true"),
        ("upper('a') + lower('B') + trim(' c ')", "Abc"),
        ("split('a.b.c', '.')[1] + split('a.b', '.')[-1]", "bb"),
        ("'abcd'[1:3] + 'abcd'[:1] + 'abcd'[-1:]", "bcad"),
        ("replace('a-b-c', '-', '.') + repeat('x', 2)", "a.b.cxx"),
        ("len('äö') + indexOf('abc', 'c')", "4"),
        ("hasPrefix('abc', 'a') && hasSuffix('abc', 'c')", "true"),
        ("trimPrefix('abc', 'a') + trimSuffix('abc', 'c')", "bcab"),
        ("join(['a', 'b'], '-') + string(12)", "a-b12"),
        ("toBase64('hello') + fromBase64('aGk=')", "aGVsbG8=hi"),
        ("'a.b' | split('.') | len()", "2"),
        ("int('42') + int(3.9)", "45"),
        ("toJSON({a: [1, nil], 'b': '<'})", "{\n  \"a\": [\n    1,\n    null\n  ],\n  \"b\": \"\\u003c\"\n}"),
    ]);
}

#[test]
fn lists_are_asked() {
    check(&[
        ("any([1, 2, 3], # > 2)", "true"),
        ("all([1, 2, 3], {# > 2})", "false"),
        ("none(1..3, # > 3) && one(1..3, # == 2)", "true"),
        ("filter(1..5, # % 2 == 0)", "[2 4]"),
        ("map(['a', 'b'], upper(#))", "[A B]"),
        ("map(filter([{n: 1}, {n: 2}], .n > 1), .n)", "[2]"),
        ("count([1, 2, 3], # > 1)", "2"),
        ("sum([1, 2, 3]) + sum([1, 2], # * 10)", "36"),
        ("reduce([1, 2, 3], #acc + #) + reduce([1], #acc * #, 5)", "11"),
        ("find([1, 2, 3], # > 1) + findIndex([5, 6], # == 6)", "3"),
        ("sort([3, 1, 2], 'desc')", "[3 2 1]"),
        ("sortBy([{n: 2}, {n: 1}], .n)[0].n", "1"),
        ("len(groupBy(1..4, # % 2))", "2"),
        ("max(1, 3, 2) + min([4, 5])", "7"),
        ("mean([1, 2]) + median([1, 9, 2])", "3.5"),
        ("first([1, 2]) + last([1, 2]) + len(take([1, 2, 3], 2))", "5"),
        ("reverse([1, 2])", "[2 1]"),
        ("uniq([1, 1, 2])", "[1 2]"),
        ("flatten([1, [2, [3]]]) == concat([1], [2, 3])", "true"),
        ("keys({b: 1, a: 2})", "[a b]"),
        ("{a: {b: 3}}.a.b + {'x y': 1}['x y']", "4"),
        ("{a: nil}?.a?.b", "<nil>"),
        ("get({a: 1}, 'z', 9)", "9"),
        ("map([7, 8], #index)", "[0 1]"),
    ]);
}

#[test]
fn queries_are_asked() {
    check(&[
        ("name() + ' ' + type() + ' ' + class() + ' ' + proto()", "www.example.org. MX IN tcp"),
        ("client_ip() + ':' + port()", "10.1.2.3:4711"),
        ("server_ip() + ':' + server_port()", "127.0.0.1:53"),
        ("do() && id() == 7 && opcode() == 0 && bufsize() == 65535", "true"),
        ("size()", "44"),
        ("incidr(client_ip(), '10.0.0.0/8')", "true"),
        ("incidr(client_ip(), '2001:db8::/32')", "false"),
        ("any(['192.0.2.0/24', '10.0.0.0/8'], incidr(client_ip(), #))", "true"),
        ("metadata('no/such') == ''", "true"),
        ("incidr('nonsense', '10.0.0.0/8')", "error: first argument is not an IP address"),
        ("incidr('10.0.0.1', '10.0.0.0/99')", "error: invalid CIDR address: 10.0.0.0/99"),
    ]);
}

#[test]
fn refuses_in_the_words_of_expr() {
    check(&[
        ("", "refused: unexpected token EOF"),
        ("((", "refused: unexpected token EOF (1:2)\n | ((\n | .^"),
        ("bogus(", "refused: unexpected token EOF (1:6)\n | bogus(\n | .....^"),
        ("name() ==", "refused: unexpected token EOF (1:9)\n | name() ==\n | ........^"),
        (
            "invalid expression",
            "refused: unexpected token Identifier(\"expression\") (1:9)\n | invalid expression\n | ........^",
        ),
        ("undefined", "refused: unknown name undefined (1:1)\n | undefined\n | ^"),
        ("now()", "refused: unknown name now (1:1)\n | now()\n | ^"),
        ("group(1)", "refused: unknown name group (1:1)\n | group(1)\n | ^"),
        ("1 + 'x'", "refused: invalid operation: + (mismatched types int and string) (1:3)\n | 1 + 'x'\n | ..^"),
        (
            "'a' matches '('",
            "refused: error parsing regexp: missing closing ): `(` (1:5)\n | 'a' matches '('\n | ....^",
        ),
        ("# > 1", "refused: cannot use pointer accessor outside predicate (1:1)\n | # > 1\n | ^"),
    ]);
}

/// Octets that the second run of an expression allocates.
fn second_run(text: &str) -> u64 {
    let request = request("www.example.org A", &Clock::manual());
    let program = Program::compile(text, &QueryEnvironment::scope(false)).expect("taken");
    let environment = QueryEnvironment::new(&request);
    program.run(&environment).expect("a value");
    allocation_counter::measure(|| drop(program.run(&environment))).bytes_total
}

#[test]
fn patterns_are_compiled_once() {
    for pattern in [
        "cluster.local",
        "^client-[0-9]+[.]example[.]org[.]$",
        "^\\\\w+[.]\\\\w+[.]svc",
        "^([\\\\w-]{1,63})\\\\.(\\\\w{1,63})\\\\.svc",
    ] {
        let constant = second_run(&format!("name() matches '{pattern}'"));
        assert!(constant < 2_000, "{pattern}: {constant} octets");
        let made = second_run(&format!("name() matches ('{pattern}' + type())"));
        assert!(made < 3_000, "{pattern}: {made} octets");
    }
    // A thread keeps the last eight.
    let nine: Vec<_> = (0..9).map(|n| format!("name() matches lower('x{n}')")).collect();
    assert!(second_run(&nine.join(" || ")) > 20_000);
    assert!(second_run(&nine[..8].join(" || ")) < 10_000);
}

/// A variable that has twice the text of the one before.
fn doubled(number: usize) -> String {
    let before = if number == 0 { "a".to_owned() } else { format!("b{}", number - 1) };
    format!("let b{number} = {before} + {before}; ")
}

#[test]
fn runs_fail_and_end() {
    check(&[
        ("int('x')", "error: invalid operation: int(x)"),
        ("[1][3]", "error: index out of range: 3 (array length is 1)"),
        ("1 % 0", "error: integer divide by zero"),
        ("1..1000000", "error: memory budget exceeded"),
        ("all(1..90000, all(1..90000, true))", "error: expression takes too long"),
        ("repeat('x', 1000000)", "error: memory budget exceeded"),
        ("'a' matches lower('(')", "error: error parsing regexp: missing closing ): `(`"),
        // Each would need memory, or stack to be dropped, without end.
        ("reduce(1..10000, [#acc])", "error: value is nested too deeply"),
        (
            &format!("let a = name(); {}", (0..40).map(doubled).collect::<String>() + "len(b39)"),
            "error: memory budget exceeded",
        ),
    ]);
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(run(&deep), "1");
}

#[test]
fn names_of_the_language_are_reserved() {
    for name in ["len", "let", "in", "true", "nil", "any", "not"] {
        assert!(is_reserved(name), "{name}");
    }
    for name in ["a", "Name", "ip", "_x1"] {
        assert!(!is_reserved(name), "{name}");
    }
}
