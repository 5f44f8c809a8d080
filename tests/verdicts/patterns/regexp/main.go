// Writes what Go's package regexp makes of generated patterns and texts, as JSON lines: the pattern, and the error of
// regexp.Compile or the submatch indexes for each text ("-" for no match) and what two templates expand to.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"regexp"
	"strings"
)

// record is one line.
type record struct {
	Pattern string   `json:"p"`
	Repeat  []part   `json:"r,omitempty"` // a long pattern, written as parts that are repeated
	Error   string   `json:"e,omitempty"`
	Texts   []string `json:"t,omitempty"`
	Found   []string `json:"f,omitempty"`
	Expand  []string `json:"x,omitempty"`
}

// part is a text and how often it stands there.
type part struct {
	Text  string `json:"s"`
	Count int    `json:"n"`
}

// templates for Expand.
var templates = []string{"$1-${2}$$x", "${n}.$m.${1}y$1y${0"}

// byHand are patterns that are odd in one way or another.
var byHand = []string{
	`[\w-.]`, `[\w-.]+\.a`, `[+--]`, `[--/]+`, `[a-\d]`, `[\d-a]`, `[-a]`, `[a-]`, `[^-]`, `[]a]`, `[^]a]`, `[]`, `[^]`, `[a`, `[a-`, `[`,
	`[[a]`, `[[:alpha:]`, `[[:alpha:]]+`, `[[:^alpha:]]+`, `[[:foo:]]`, `[:alpha:]+`, `[[:]`, `[[:word:]-z]+`, `[[:punct:][:space:]]`, `[a&&b]+`, `[a~~b]`, `[a--b]`, `[z-a]`, `[\b]`, `[\A]`, `[\Q]`,
	`(?P<n>a)(?P<n>b)`, `(?<n>a)|(?P<n>b)`, `(?P<n>a)(?<m>b)?`, `(?P<>a)`, `(?P<n`, `(?P<n>`, `(?P<a-b>c)`, `(?P=n)`, `(?P<é>a)`, `(?<n>`, `(?P>n)`, `(?'n'a)`, `(?P<1>a)`, `(?P<`, `(?<`, `(?P`,
	`\pL`, `\PL+`, `\p{L}`, `\p{^L}`, `\P{^L}`, `\p{Greek}+`, `\p{greek}`, `\p{Lu}`, `(?i)\p{Lu}+`, `(?i)\P{Lu}+`, `(?i)[^\p{Lu}]+`, `\p{Letter}`, `\p{uppercase letter}`, `\p{Upper-case_Letter}`, `\p{Cased_Letter}`, `\p{LC}`, `\p{Any}`, `\p{ascii}+`, `(?i)\p{ascii}+`, `\p{Assigned}`, `\p{Cn}`, `\p{Foo}`, `\p`, `\p{`, `\p{}`, `\p{^}`, `\px`, `\p{Old_Italic}`, `\p{Olditalic}`, `\p{Nd}+`, `\pN`, `\p{digit}`, `\p{punct}`, `\p{alpha}`, `\p{sc=Greek}`, `\p{Script=Greek}`, `\p{Alphabetic}`, `\p{Grek}`, `[\p{Greek}\pN]+`, `[^\pL\s]`, `\P{Any}`, `[\P{Any}]`, `\p{C}`, `\p{Cs}`, `\p{Zs}`, `\p{_l_u_}`, `\pé`,
	`\101`, `\0`, `\07`, `\1`, `\8`, `\12`, `\123`, `\377`, `\1234`, `\18`, `[\101-\103]+`, `[\1]`, `\x41`, `\x4`, `\x`, `\x{41}`, `\x{}`, `\x{110000}`, `\x{10FFFF}`, `\x{D800}`, `[\x{D7FF}-\x{E000}]`, `[\x{D800}-\x{DFFF}]`, `\x{e9}`, `\x{4`, `\xg1`, `\x1g`, `\u0041`, `\N{U+41}`,
	`\Qa.b(\E`, `\Qa.b(\E*`, `a*\Q\E*`, `\Qab\E+`, `\Q`, `a\Qb`, `\E`, `(?i)\Qk\E`, `\Q\\E`, `[\Qa\E]`, `a\Q\E{2}`,
	`\C`, `\G`, `\K`, `\R`, `\X`, `\Z`, `\z`, `\A`, `a\z`, `\Aa`, `a$`, `^a`, `(?m)^b$`, `(?m)a$`, `(?m:^)b`, `$^`, `(?m)$^`, `a$\n`, `\ba\b`, `\Ba`, `\B`, `\b`, `é\b`, `\bé`, `a\Bé`, `\b\B`, `(?m)\z`, `(?s).`, `.`, `(?s:.)+`, `(?-s).`, `(?s-s).`, `(?sm-i).`,
	`(?i)k`, `(?i)K`, "(?i)\u212a", `(?i)s`, `(?i)ſ`, `(?i)[k]`, `(?i)[^k]`, `(?i)ß`, `(?i)ǆ`, `(?i)é`, `(?i)[a-f]+`, `(?i)\w+`, `(?i)\W+`, `(?i)[[:upper:]]+`, `(?i)[[:^upper:]]+`, `a(?i)b|c`, `(a(?i)b)c`, `(?i:a)b`, `(?i)a(?-i)b`, `(?i)µ`, `(?i)Ω`, `(?i)İ`, `(?i)ı`, `(?i)i`, `(?i)\x6b`, `(?i)Σ`, `(?i)θ`, `(?i)[\x00-\x{10ffff}]`, `(?i)[^\x00-j]`,
	`(?U)a+`, `(?U)a+?`, `(?U)(a*)(a*)`, `(?U:a?)`, `a+?`, `a??`, `a*?b`, `a{1,2}?`, `(?U)a{1,2}`, `(?U)(?-U)a+`,
	`(?)a`, `(?i`, `(?i-)`, `(?-)`, `(?--i)`, `(?i-i)a`, `(?x)a`, `(?#a)`, `(?=a)`, `(?!a)`, `(?<=a)`, `(?<!a)`, `(?>a)`, `(?R)`, `(?`, `(?:`, `(?:a`, `(?ii)A`, `(?z)`, `(?i:`, `(?^:a)`,
	`*`, `a|*`, `(*)`, `^*`, `$*`, `\b*`, `a**`, `a*+`, `a+?*`, `a??+`, `a{2}*`, `a{2}{3}`, `a?{2}`, `(?i)*`, `a(?i)*`, `a*(?i)*`, `|`, `||`, `a|`, `|a`, `a||b`, `()`, `(|)`, `(|a)*`, `(|a)+`, `(a|)*`, `(a*)*`, `(a*)+`, `(a?)*?`, `(?:)*`, `()*`, `(^)*`, `(\b)+a`, `(a|b*)*`, `((a)|b)*`, `((a)|(b))*`, `(a)|b`, `(a){0}b`, `(?P<n>a){0}b(c)`, `(a)?b`, `(a)*`, `(a*)(b|ab)?`, `(a|ab)(c|bcd)(d*)`, `x*`, `(x*)`, `(?:x*)y`, `(a+|b+)*?c`,
	`a{0}`, `a{1}`, `a{0,0}`, `a{0,1}`, `a{,2}`, `a{2,1}`, `a{1,}`, `a{01}`, `a{1,02}`, `a{1000}`, `a{1001}`, `a{0,1001}`, `a{99999999999}`, `a{1,99999999999}`, `a{`, `a{}`, `a{1`, `a{1,`, `a{1,2`, `a{a}`, `a{-1}`, `a{1 }`, `{`, `{1}`, `{x}`, `a{,}`, `x{2,}`, `^{2}`, `(a{10}){100}`, `(a{10}){101}`, `(a{2}){500}`, `(a{2}){501}`, `((a{100}){100}){100}`, `((a{10}){10}){10}`, `((a{10}){10}){11}`, `(a{0}){1000}`, `(a{0,}){1000}`, `((a{500})*){2}`, `((a{500})*){3}`, `((a{501})?){2}`, `((a{1000}){0}){1000}`, `(a{1,1000}){1,1}`, `(?:a{600}){0,1}`, `(?:a{600}){1,}`, `(?:a{600}){2,}`,
	`)`, `(`, `(a`, `a)`, `())`, `((a)`, `\`, `a\`, `\<a\>`, `\-`, `\_`, `\é`, `\ `, `\#`, `\%`, `\/`, `\"`, `\'`, `\y`, `\q`, `\e`, `\c`, `\cA`, `\h`, `\H`, `\v`, `\V`, `\a\f\t\n\r`, `\d+`, `\D+`, `\s+`, `\S+`, `\w+`, `\W+`, `[\d\s]+`, `[^\d]+`, `[\D\d]`, `[^\D\d]`,
	`é+`, `[é-ü]+`, `[^é]+`, `日本`, `(日)(本)?`, `.é`, `a.b`, `\x{fffd}`, `[[:ascii:]]+`, `[[:^ascii:]]+`, `[[:space:]]+`, `[[:cntrl:]]`,
	`^([\w-]{1,63})\.(\w{1,63})\.svc`, `^\w+[.]\w+[.]svc`, `(?i)^(\w{1,63}\.){1,4}zone0$`, `^(\w{60})x1$`, `^client-[0-9]+[.]example[.]org[.]$`, `cluster.local`, `^((\d+)-){3}(\d+)\.`, `(.*)-(us|eu)[.]test[.]`, `^ip-(?P<a>[0-9]{1,3})-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$`,
}

// texts that are always tried.
var always = []string{"", "a", "aab", "ab.a", "b\na", "é日本", "kK\u212asſ", "AB-a_1.x", " \t\v\n", "\u03a9\u00b5\u01c5ß\u0378\u1c89"}

var atoms = []string{"a", "b", "c", ".", "k", "é", "-", "1", "_", `\w`, `\d`, `\s`, `\W`, `\pL`, `\p{Greek}`, "[a-c]", "[^a]", `[\w-.]`, `[[:alpha:]]`, `[k-s]`, `\.`, `\x62`, "^", "$", `\b`, `\B`, `\A`, `\z`, "(?i)", "(?s)", "(?m)", "(?U)", `\Qa.\E`, "", " ", "\n", "Σ", `\141`, "[^é-ü]", "]", "{", "}", "S"}
var repeats = []string{"*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,}", "{0}", "{2,3}?", "{1,1}", "{3,2}", "**", "{1001}"}
var letters = []string{"a", "b", "c", "k", "K", "\u212a", "s", "S", "ſ", "é", "Σ", "σ", "ς", "1", "-", ".", "_", " ", "\n", "A", "日", "]", "{", "}"}

// pick takes one of a list.
func pick(r *rand.Rand, of []string) string { return of[r.Intn(len(of))] }

// pattern makes a pattern of some depth.
func pattern(r *rand.Rand, depth int) string {
	var b strings.Builder
	for range 1 + r.Intn(4) {
		switch {
		case depth > 0 && r.Intn(3) == 0:
			open := pick(r, []string{"(", "(", "(?:", "(?P<n>", "(?<m>", "(?i:", "(?s-i:", "(?U:"})
			inner := pattern(r, depth-1)
			for range r.Intn(3) {
				inner += "|" + pattern(r, depth-1)
			}
			b.WriteString(open + inner + ")")
		default:
			b.WriteString(pick(r, atoms))
		}
		if r.Intn(5) < 2 {
			k := len(repeats)
			if r.Intn(20) > 0 {
				k -= 3
			}
			b.WriteString(repeats[r.Intn(k)])
		}
	}
	return b.String()
}

// class makes brackets.
func class(r *rand.Rand) string {
	items := []string{"a", "b", "-", "-", "]", "[", "^", "&", "~", `\w`, `\d`, `\D`, `\s`, `\pL`, `\PN`, `\p{Han}`, "[:alpha:]", "[:^digit:]", "[:space:]", `\x41`, `\101`, `\]`, `\-`, "é", "z", "k", ".", "a-c", "é-ü", `\x{100}-\x{200}`, "c-a", ":", "S", "1"}
	b := pick(r, []string{"[", "[", "[^", "(?i)[", "(?i)[^"})
	for range 1 + r.Intn(5) {
		b += pick(r, items)
	}
	return b + pick(r, []string{"]", "]", "]", "]+", ""})
}

// text makes a text.
func text(r *rand.Rand) string {
	s := ""
	for range r.Intn(7) {
		s += pick(r, letters)
	}
	return s
}

// judge asks Go.
func judge(pattern string, texts []string) record {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return record{Pattern: pattern, Error: err.Error()}
	}
	out := record{Pattern: pattern, Texts: texts}
	for _, text := range texts {
		at := re.FindStringSubmatchIndex(text)
		if at == nil {
			out.Found = append(out.Found, "-")
			continue
		}
		out.Found = append(out.Found, strings.Trim(fmt.Sprint(at), "[]"))
		if out.Expand == nil && len(at) > 2 {
			for _, template := range templates {
				out.Expand = append(out.Expand, string(re.ExpandString(nil, template, text, at)))
			}
		}
	}
	return out
}

// long asks Go about a pattern that is too long to be written down: accepted or not, and whether it matches one text.
func long(text string, parts ...part) record {
	pattern := ""
	for _, part := range parts {
		pattern += strings.Repeat(part.Text, part.Count)
	}
	out := judge(pattern, []string{text})
	out.Pattern, out.Repeat = "", parts
	out.Error, _, _ = strings.Cut(out.Error, "`")
	return out
}

func main() {
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	r := rand.New(rand.NewSource(19))
	for _, pattern := range byHand {
		encoder.Encode(judge(pattern, append(always[:len(always):len(always)], text(r), text(r))))
	}
	for range 2600 {
		encoder.Encode(judge(pattern(r, 2), []string{text(r), text(r), text(r)}))
	}
	for range 900 {
		encoder.Encode(judge(class(r), []string{text(r), text(r)}))
	}
	for _, depth := range []int{200, 998, 999, 1000, 1001, 1500, 5000} {
		encoder.Encode(long("a", part{"(", depth}, part{"a", 1}, part{")", depth}))
		encoder.Encode(long("a", part{"(?:", depth}, part{"a", 1}, part{")*", depth}))
		encoder.Encode(long("ab", part{"(?:", depth}, part{"a", 1}, part{")", depth}))
		encoder.Encode(long("aab", part{"(a|b", depth / 2}, part{")?", depth / 2}))
	}
	for _, count := range []int{100, 3400, 5000} {
		encoder.Encode(long("ab", part{"(?:", 1}, part{"ab", count / 2}, part{"){1000}", 1}))
	}
	encoder.Encode(long("x", part{`(\pL{900})x`, 1}))
	encoder.Encode(long("a", part{`\pL?`, 3000}))
	encoder.Encode(long("é", part{`[\x{100}-\x{200}é]?`, 500}))
}
