// Writes what expr-lang, as CoreDNS's plugin view sets it up, makes of expressions about one query, as JSON lines: the
// error of compiling, the error of running, or the value as fmt prints it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"os"
	"strings"

	"github.com/expr-lang/expr"
)

// record is one line.
type record struct {
	Text   string `json:"s"`
	Repeat []part `json:"r,omitempty"` // a long expression, written as parts that are repeated
	Error  string `json:"e,omitempty"` // of compiling
	Failed string `json:"x,omitempty"` // of running
	Value  string `json:"v,omitempty"`
}

// part is a text and how often it stands there.
type part struct {
	Text  string `json:"s"`
	Count int    `json:"n"`
}

// env has the names of the query www.example.org MX over TCP with DO from 10.1.2.3 port 4711, id 7.
var env = map[string]any{
	"incidr": func(address, network string) (bool, error) {
		ip := net.ParseIP(address)
		if ip == nil {
			return false, errors.New("first argument is not an IP address")
		}
		_, cidr, err := net.ParseCIDR(network)
		if err != nil {
			return false, err
		}
		return cidr.Contains(ip), nil
	},
	"metadata":    func(string) string { return "" },
	"type":        func() string { return "MX" },
	"name":        func() string { return "www.example.org." },
	"class":       func() string { return "IN" },
	"proto":       func() string { return "tcp" },
	"size":        func() int { return 44 },
	"client_ip":   func() string { return "10.1.2.3" },
	"port":        func() string { return "4711" },
	"id":          func() int { return 7 },
	"opcode":      func() int { return 0 },
	"do":          func() bool { return true },
	"bufsize":     func() int { return 65535 },
	"server_ip":   func() string { return "127.0.0.1" },
	"server_port": func() string { return "53" },
}

// byHand are expressions that are odd in one way or another.
var byHand = []string{
	"1 < 2 < 3", "1 < 3 < 2", "3 > 2 > 1 == true", "1 < 2 == true", "1 < 2 < 'x'", "1 <= id() <= 7", "1 < 2 < 3 < 4 < 3", "not 1 < 2 < 3",
	"name() matches 'cluster.local'", "name() matches '^\\\\w+[.]\\\\w+[.]org'", "name() matches '('", "name() matches '[\\\\w-.]+'", "name() matches ('^w' + 'w')", "name() matches 'a{1001}'", "name() not matches '^x'", "name() matches type()", "'k' matches '(?i)\u212a'", "not name() matches 'x'", "true && name() matches '*'", "name() matches 5",
	"true ?: false", "false ?: true", "name() ?: 'x'", "true ? 1 : 2 ? 3 : 4", "false ? 1 : true ? 3 : 4", "nil ?? 1", "1 ?? 2 ?? 3", "nil ?? nil ?? 3", "nil ?? 1 + 2", "(nil ?? 1) + 2", "1 + nil ?? 2", "{a: nil}.a ?? 5", "{a: 1}?.b ?? 6", "nil ?? name() == 'x'",
	"{a: {b: 3}}.a.b", "{a: nil}?.a?.b", "{a: nil}.a?.b.c.d", "{a: {b: nil}}?.a.b?.c.d", "[1,2,3][0]", "[1,2,3][-1]", "[1,2,3][5]", "[1,2,3][1:]", "[1,2,3][:2]", "[1,2,3][:]", "[1,2,3][1:2][0]", "'abc'[1:2]", "'abc'[0]", "name()[0:3]", "name()?.x", "{a: [1]}?.a?.[0]", "{'a b': 1}['a b']",
	"let x = 1; x + 1", "let x = 1; let y = x + 1; x * y", "let x = let y = 2; y; x", "(let x = 3; x) + 1", "let x = 1 x", "let = 1; 2", "1; 2", "1; 2;", "(1; 2) + 1", ";", "let x = 1;", "x",
	"if true {1} else {2}", "if false {1} else if true {2} else {3}", "if 1 {1} else {2}", "if true {1}", "if true {1; 2} else {3}", "1 + if true {1} else {2}", "(if true {1} else {2}) + 1",
	"any([1,2],# > 1)", "all([1,2], # > 0)", "none([1,2], # > 5)", "one([1,2], # > 1)", "filter([1,2,3], # > 1)", "map([1,2], # * 2)", "count([1,2,3], # > 1)", "count([true,false,true])", "sum([1,2,3])", "sum([1,2], # * 10)", "find([1,2,3], # > 1)", "findIndex([5,6], # == 6)", "findLast([1,2,3], # < 3)", "findLastIndex([1,2,3], # < 3)", "reduce([1,2,3], #acc + #)", "reduce([1,2,3], #acc + #, 10)", "reduce([], #acc + #)", "sortBy([3,1,2], #)", "sortBy([3,1,2], #, 'desc')", "groupBy([1,2,3,4], # % 2)[0]", "filter([1,2,3], {# > 1})", "map([1,2], {let y = #; y + 1})", "map([[1,2],[3]], len(#))", "map([[1,2],[3]], map(#, # + 1))", "any([{n: 1}], .n == 1)", "map([7,8], #index)", "# > 1", ".x", "map([1,2])", "filter([1,2], # + 1)", "all([], false)", "any([], true)", "map([1,2], #, 3)", "any([1, 'a'], # == 1)", "all(1..3, # < 9)", "len(filter(1..5, # % 2 == 0))", "filter([1,2,3], # > 1)[0]", "[1,2] | map(# * 2)", "[1,2,3] | filter(# > 1) | len()", "name() | split('.') | len()", "name() | split('.')[0]", "1 | 2", "name() | upper", "len(name()) | string()",
	"-2 ** 2", "2 ** 3 ** 2", "2 ** -1", "7 % 4 - 1", "7 / 2", "1 + 2 * 3", "-1", "--1", "+-1", "!true", "!!true", "not not true", "not true or true", "-name()", "!1", "1 +", "* 1", "1 2", "(1", "1)", "[1", "[1,]", "[,]", "{a: 1,}", "{a 1}", "{1: 2}", "{(name()): 2}", "{a: 1}.a", "{}", "[]", "()", "",
	"1 in [1,2]", "3 not in [1,2]", "'a' in {a: 1}", "1 in nil", "'a' in 'abc'", "not (1 in [1])", "1 not in", "1 not + 2", "'abc' contains 'b'", "'abc' not contains 'b'", "'abc' startsWith 'a'", "'abc' endsWith 'c'", "'a' contains 1", "type() in ['MX', 'SRV']", "1..3", "1..3 == [1,2,3]", "3..1",
	"1 == 1.0", "'a' == 1", "nil == nil", "name() == nil", "true == 1", "[1] == [1]", "1 < 'a'", "'a' < 'b'", "true < false", "1 + 'x'", "'a' + 'b'", "'a' - 'b'", "1.5 + 1", "1 / 0", "1 % 0", "5 % 2.0", "true && 1", "true and false or true", "true || undefined", "undefined", "undefined()", "now()", "group(1)", "name", "name(1)", "incidr('1.2.3.4')", "incidr(1, 2)", "incidr('x', '10.0.0.0/8')", "incidr('10.0.0.1', '10.0.0.0/99')", "incidr(client_ip(), '10.0.0.0/8')", "client_ip().x", "len(name())", "len(1)", "len()", "len(1,2)", "upper('a') + lower('B')", "trim(' a ')", "trim('xax', 'x')", "split('a.b', '.')[1]", "join(['a','b'], '-')", "replace('a-b', '-', '.')", "repeat('a', 3)", "indexOf('abc', 'c')", "lastIndexOf('abca', 'a')", "hasPrefix('abc', 'a')", "hasSuffix('abc', 'c')", "trimPrefix('abc', 'a')", "trimSuffix('abc', 'c')", "int('42')", "int(3.9)", "int('x')", "float('1.5')", "string(12)", "abs(-5)", "ceil(1.2)", "floor(1.8)", "round(1.5)", "max(1,3,2)", "min([4,5])", "mean([1,2])", "median([1,9,2])", "first([1,2])", "last([1,2])", "take([1,2,3], 2)", "keys({a: 1})", "values({a: 1})", "reverse([1,2])", "sort([3,1,2])", "sort([3,1,2], 'desc')", "flatten([1,[2,[3]]])", "concat([1],[2])", "toJSON([1,nil])", "fromJSON('[1,2]')", "toBase64('hello')", "fromBase64('aGVsbG8=')", "0x1f + 1_000 + 0b11 + 0o7", "1e3", "1.5e-2", ".5", "1.", "0x", "1e", "1_", "9223372036854775807", "9223372036854775808", "'\\x41\\u0042'", "'\\q'", "'a", "\"a'b\"", "`raw\\n`", "1 // x", "/* x */ 1", "/* x", "a.b.c", "@", "a $ b", "\u00e9", "'\u00e9' == \"\u00e9\"", "len('\u00e9\u00e9')", "true ? 1", "true ? : 1", "true ? 1 : ", "1 ? 2 : 3", "::len('abc')", "::name()", "do() && !do() || do()", "bufsize() > 4096 && proto() == 'tcp'", "name() == 'www.example.org.' and type() == 'MX'", "metadata('x') == ''", "port() == '4711'", "int(port()) > 1024",
}

var numbers = []string{"0", "1", "2", "7", "id()", "size()", "len(name())", "1.5", "-3", "bufsize()"}
var texts = []string{"'a'", "'www.example.org.'", "name()", "type()", "'x.y'", "client_ip()", "upper('a')"}
var truths = []string{"true", "false", "do()", "incidr(client_ip(), '10.0.0.0/8')"}
var lists = []string{"[1, 2, 3]", "[]", "1..3", "[7]", "map([1, 2], # + 1)", "filter(1..4, # % 2 == 0)"}

func pick(r *rand.Rand, of []string) string { return of[r.Intn(len(of))] }

func number(r *rand.Rand, depth int) string {
	if depth == 0 || r.Intn(3) == 0 {
		return pick(r, numbers)
	}
	switch r.Intn(7) {
	case 0:
		return "(" + number(r, depth-1) + ")"
	case 1:
		return "len(" + list(r, depth-1) + ")"
	case 2:
		return "(" + truth(r, depth-1) + " ? " + number(r, depth-1) + " : " + number(r, depth-1) + ")"
	case 3:
		return "-" + number(r, depth-1)
	case 4:
		return "sum(" + list(r, depth-1) + ")"
	default:
		return number(r, depth-1) + pick(r, []string{" + ", " - ", " * ", " + "}) + number(r, depth-1)
	}
}

func list(r *rand.Rand, depth int) string {
	if depth == 0 || r.Intn(2) == 0 {
		return pick(r, lists)
	}
	return pick(r, []string{"filter(" + list(r, depth-1) + ", # " + pick(r, []string{"> 1", "!= 2", "< 3"}) + ")", "map(" + list(r, depth-1) + ", # + 1)"})
}

func truth(r *rand.Rand, depth int) string {
	if depth == 0 || r.Intn(4) == 0 {
		return pick(r, truths)
	}
	switch r.Intn(9) {
	case 0:
		return pick(r, []string{"not ", "!"}) + truth(r, depth-1)
	case 1:
		return number(r, depth-1) + pick(r, []string{" < ", " > ", " == ", " <= ", " != "}) + number(r, depth-1)
	case 2:
		return pick(r, texts) + pick(r, []string{" contains ", " startsWith ", " not endsWith ", " == ", " matches ", " not contains "}) + pick(r, texts)
	case 3:
		return pick(r, []string{"any(", "all(", "none(", "one("}) + list(r, depth-1) + ", # " + pick(r, []string{"> 1", "== 2", "< 9"}) + ")"
	case 4:
		return number(r, depth-1) + pick(r, []string{" in ", " not in "}) + list(r, depth-1)
	case 5:
		return "(" + truth(r, depth-1) + ")"
	case 6:
		return number(r, 0) + " < " + number(r, 0) + pick(r, []string{" <= ", " > "}) + number(r, 0)
	case 7:
		return "let x = " + truth(r, depth-1) + "; x" + pick(r, []string{" && ", " || "}) + truth(r, 0)
	default:
		return truth(r, depth-1) + pick(r, []string{" && ", " || ", " and ", " or ", " == "}) + truth(r, depth-1)
	}
}

// judge asks expr-lang.
func judge(text string) record {
	out := record{Text: text}
	program, err := expr.Compile(text, expr.Env(env), expr.DisableBuiltin("type"))
	if err != nil {
		out.Error = err.Error()
		return out
	}
	value, err := expr.Run(program, env)
	if err != nil {
		out.Failed, _, _ = strings.Cut(err.Error(), " (1:")
		return out
	}
	out.Value = fmt.Sprint(value)
	return out
}

// long asks about an expression that is too long to be written down; of an error the first line counts.
func long(parts ...part) record {
	text := ""
	for _, part := range parts {
		text += strings.Repeat(part.Text, part.Count)
	}
	out := judge(text)
	out.Text, out.Repeat = "", parts
	out.Error, _, _ = strings.Cut(out.Error, "\n")
	return out
}

func main() {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	r := rand.New(rand.NewSource(19))
	for _, text := range byHand {
		encoder.Encode(judge(text))
	}
	for range 1200 {
		encoder.Encode(judge(truth(r, 3)))
	}
	// A text with one character changed: mostly refused.
	for range 500 {
		text := []rune(truth(r, 2))
		text[r.Intn(len(text))] = []rune("()[]{}.,;#?:|&!'x1 +")[r.Intn(20)]
		encoder.Encode(judge(string(text)))
	}
	for _, count := range []int{100, 1000, 1999, 2000, 3000, 3333, 4998, 4999, 5000, 9998, 9999, 10000, 20000} {
		encoder.Encode(long(part{"true", 1}, part{" || true", count}))
		encoder.Encode(long(part{"false", 1}, part{" or false", count}))
		encoder.Encode(long(part{"1", 1}, part{" + 1", count}, part{" == 1", 1}))
		encoder.Encode(long(part{"!", count}, part{"true", 1}))
		encoder.Encode(long(part{"- ", count}, part{"1 == 1", 1}))
		encoder.Encode(long(part{"[1]", 1}, part{"[0:1]", count}, part{" == [1]", 1}))
		encoder.Encode(long(part{"name()", 1}, part{" | trim()", count}, part{" == ''", 1}))
		encoder.Encode(long(part{"true ? true : ", count}, part{"true", 1}))
		encoder.Encode(long(part{"client_ip() == '10.0.0.1' || ", count}, part{"true", 1}))
		encoder.Encode(long(part{"(", count}, part{"true", 1}, part{")", count}))
		encoder.Encode(long(part{"if false {true} else ", count}, part{"{true}", 1}))
		encoder.Encode(long(part{"let x = 1; ", count}, part{"true", 1}))
		encoder.Encode(long(part{"1 < ", count}, part{"2", 1}))
		encoder.Encode(long(part{"id() in [", 1}, part{"1, ", count}, part{"7]", 1}))
		encoder.Encode(long(part{"{a: 1}", 1}, part{"?.a", count}))
		encoder.Encode(long(part{"nil", 1}, part{" ?? nil", count}))
		encoder.Encode(long(part{"true ? (", count}, part{"true", 1}, part{") : false", count}))
	}
	for _, count := range []int{50, 140} {
		encoder.Encode(long(part{"len(", 1}, part{"[", count}, part{"1", 1}, part{"]", count}, part{") == 1", 1}))
	}
}
