// Writes what Go's text/template and fmt, as CoreDNS's plugin template uses them, make of generated templates about one
// query, as JSON lines: the error of parsing, the error of filling, or the text.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"text/template"
)

// record is one line.
type record struct {
	Text   string `json:"s"`
	Repeat []part `json:"r,omitempty"` // a long template, written as parts that are repeated
	Error  string `json:"e,omitempty"` // of parsing
	Failed string `json:"x,omitempty"` // of filling
	Filled string `json:"v,omitempty"`
}

// part is a text and how often it stands there.
type part struct {
	Text  string `json:"s"`
	Count int    `json:"n"`
}

// query is the data of a template.
type query struct {
	Name  string
	Match []string
	Group map[string]string
}

// Meta is the method that templates may call.
func (*query) Meta(label string) string { return "<" + label + ">" }

var data = &query{"a.test.", []string{"ab", "b"}, map[string]string{"0": "ab", "n": "0x1f"}}

// functions are those that CoreDNS adds.
var functions = template.FuncMap{
	"parseInt": strconv.ParseUint,
}

// byHand are templates that are odd in one way or another.
var byHand = []string{
	`{{ printf "%[2]s" "a" "b" }}`, `{{ printf "%[2]s %[1]s" "a" "b" }}`, `{{ printf "%[3]s" "a" }}`, `{{ printf "%[0]s" "a" }}`, `{{ printf "%[x]s" "a" }}`, `{{ printf "%[2" "a" "b" }}`, `{{ printf "%[]d" 1 }}`, `{{ printf "%[1]d %d" 1 2 }}`, `{{ printf "%[2]*[1]d" 5 8 }}`, `{{ printf "%*d" 5 7 }}`, `{{ printf "%-*d|" 5 7 }}`, `{{ printf "%*d" -5 7 }}|`, `{{ printf "%.*f" 2 1.2345 }}`, `{{ printf "%.*f" -2 1.5 }}`, `{{ printf "%*d" "x" 7 }}`, `{{ printf "%.*d" "x" 7 }}`, `{{ printf "%[1]*d" 3 }}`, `{{ printf "%[3]*.[2]*[1]f" 12.0 2 6 }}`, `{{ printf "%[3]2d" 1 2 3 }}`, `{{ printf "%.[2]d" 1 2 }}`, `{{ printf "%1000001d" 1 }}`, `{{ printf "%d" "a" }}`, `{{ printf "%s" 1 }}`, `{{ printf "%d" nil }}`, `{{ printf "%z" 1 }}`, `{{ printf "%!" 1 }}`, `{{ printf "%" }}`, `{{ printf "%d%" 1 }}`, `{{ printf "a" 1 "b" nil true }}`, `{{ printf "%5" }}`, `{{ printf "%s" }}`, `{{ printf "%s %s" "a" }}`, `{{ printf "%%" 1 }}`, `{{ printf "%-%" }}`, `{{ printf "%v" .Match }}`, `{{ printf "%q" .Match }}`, `{{ printf "%d" .Match }}`, `{{ printf "%5s" .Match }}`, `{{ printf "%x" .Match }}`, `{{ printf "%v %s %q" .Group .Group .Group }}`, `{{ printf "%#v" .Match }}`, `{{ printf "%#v" .Name }}`, `{{ printf "%#v" 1 }}`, `{{ printf "%#v" .Group }}`, `{{ printf "%T %T %T %T" 1 "a" true 1.5 }}`, `{{ printf "%T" .Match }}`, `{{ printf "%p" "a" }}`, `{{ printf "%t" true }}`, `{{ printf "%6t|" false }}`, `{{ printf "%d" true }}`, `{{ printf "%s" true }}`, `{{ printf "%s" nil }}`, `{{ printf "%v" nil }}`, `{{ printf "%w" 1 }}`, `{{ printf "%é" 1 }}`, `{{ printf "é%sé" "ü" }}`, `{{ printf 1 }}`, `{{ printf }}`,
	`{{ .Name | printf "%s-%s" "a" }}`, `{{ print 1 2 "a" 3 4 }}`, `{{ println 1 "a" nil }}`, `{{ print nil }}`, `{{ print 1.5 1e6 1e21 1e-7 100000.0 }}`, `{{ 1.5 }} {{ 1e6 }} {{ 1e21 }} {{ 0.00001 }} {{ 123456789.0 }}`, `{{ 1e3 }}`, `{{ 0x10 }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ 1_000 }} {{ -5 }} {{ +5 }}`, `{{ 'a' }} {{ '\n' }} {{ '\x41' }} {{ 'é' }}`, `{{ "\x41\u00e9\101" }}`, "{{ `raw\\n` }}", `{{ "a" "b" }}`, `{{ 1 2 }}`, `{{ .Name 1 }}`, `{{ .Meta "a" }}`, `{{ "a" | .Meta }}`, `{{ .Meta }}`, `{{ .Meta 1 }}`, `{{ .Meta "a" "b" }}`, `{{ $.Meta "a" }}`, `{{ (.).Meta "a" }}`, `{{ . | . }}`, `{{ .Name | }}`, `{{ | .Name }}`, `{{ .Name | 1 }}`, `{{ .Name | "x" }}`, `{{ .Name | len | printf "%d" }}`, `{{ len (len .Name) }}`, `{{ (len .Name) }}`, `{{ ((len .Name)) }}`, `{{ (.Name) }}`, `{{ (.Group).n }}`, `{{ (index .Match 0) | len }}`, `{{ () }}`, `{{ ( }}`, `{{ ) }}`, `{{ (1 }}`, `{{ 1) }}`, `{{ len }}`, `{{ len 1 }}`, `{{ bogus }}`, `{{ .Bogus }}`, `{{ .Name.Bogus }}`, `{{ .Group.x }}`, `{{ .Group.x.y }}`, `{{ $x }}`, `{{ $x = 1 }}`, `{{ $x := 1 }}{{ $x }}`, `{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}`, `{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}`, `{{ $x, $y := 1 }}`, `{{ range $i, $e, $f := .Match }}{{ end }}`, `{{ $x := $x }}`, `{{ if $x := .Name }}{{ $x }}{{ else }}{{ $x }}{{ end }}`, `{{ if $x := "" }}a{{ else if $y := "b" }}{{ $x }}{{ $y }}{{ end }}`, `{{ with $x := 1 }}{{ $x }}{{ . }}{{ end }}`, `{{ with "" }}a{{ else with "b" }}{{ . }}{{ end }}`, `{{ with "" }}a{{ else }}{{ .Name }}{{ end }}`, `{{ range .Match }}{{ . }}{{ $.Name }}{{ end }}`, `{{ range $e := .Match }}{{ $e }};{{ end }}`, `{{ range $k, $v := .Group }}{{ $k }}={{ $v }};{{ end }}`, `{{ range 3 }}{{ . }}{{ end }}`, `{{ range $i := 3 }}{{ $i }}{{ end }}`, `{{ range $i, $j := 3 }}{{ $i }}{{ end }}`, `{{ range 0 }}a{{ else }}b{{ end }}`, `{{ range "ab" }}{{ . }}{{ end }}`, `{{ range nil }}{{ end }}`, `{{ range .Match }}{{ if eq . "b" }}{{ continue }}{{ end }}{{ . }}{{ end }}`, `{{ range .Match }}{{ with . }}{{ break }}{{ end }}{{ end }}{{ .Name }}`, `{{ range .Match }}{{ range $.Match }}{{ . }}{{ break }}{{ end }}{{ . }};{{ end }}`, `{{ range .Match }}{{ else }}{{ break }}{{ end }}`, `{{ range .Match }}{{ range "" }}{{ else }}{{ break }}{{ end }}{{ end }}`, `{{ break }}`, `{{ continue }}`, `{{ range $i, $e := .Match }}{{ $i = 5 }}{{ $i }}{{ end }}`, `{{ $t := "" }}{{ range .Match }}{{ $t = printf "%s%s" $t . }}{{ end }}{{ $t }}`, `{{ if }}{{ end }}`, `{{ if true }}`, `{{ end }}`, `{{ else }}`, `{{ if true }}{{ else }}{{ else }}{{ end }}`, `{{ if true }}{{ else with 1 }}{{ end }}`, `{{ range 1 }}{{ else range 2 }}{{ end }}`, `{{ if true }}{{ else 1 }}{{ end }}`,
	`{{ and 1 0 2 }} {{ or 0 "" 3 }} {{ and }}`, `{{ and true }}`, `{{ or }}`, `{{ and 0 .Bogus }}`, `{{ or 1 .Bogus }}`, `{{ and 1 .Bogus }}`, `{{ 1 | and 2 }}`, `{{ 0 | or 0 }}`, `{{ "x" | or "" }}`, `{{ "x" | and "" 1 }}`, `{{ printf "%s" (and "a" "b") }}`, `{{ print "x" (or "" (and "a" "b")) "y" }}`, `{{ not 1 }} {{ not "" }}`, `{{ not }}`, `{{ eq 1 1 }} {{ eq 1 2 1 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt "b" "a" }} {{ ge 1 2 }}`, `{{ eq 1 "1" }}`, `{{ eq 1 }}`, `{{ eq }}`, `{{ lt 1 "a" }}`, `{{ lt 1 2 3 }}`, `{{ eq 1.0 1 }}`, `{{ eq .Name "a.test." }}`, `{{ index .Match 0 }} {{ index .Group "n" }} {{ index .Group "x" }} {{ index .Name 0 }}`, `{{ index .Match 7 }}`, `{{ index .Match -1 }}`, `{{ index .Match "a" }}`, `{{ index .Group 1 }}`, `{{ index 1 1 }}`, `{{ index .Match }}`, `{{ index }}`, `{{ index nil 1 }}`, `{{ slice .Name 1 3 }} {{ slice .Name 2 }} {{ slice .Name }}`, `{{ slice .Name 3 1 }}`, `{{ slice .Name 0 99 }}`, `{{ slice .Match 1 }}`, `{{ slice .Match 0 1 1 }}`, `{{ slice .Name 0 1 1 }}`, `{{ len .Match }} {{ len .Group }} {{ len "é" }}`, `{{ html "<a href='x'>&\"" }}`, `{{ js "it's <b>\n=" }}`, `{{ urlquery "a b&c=d/é" }}`, `{{ html 1 "a" }}`, `{{ parseInt "10" 10 64 }} {{ parseInt "0x1f" 0 8 }} {{ parseInt "ff" 16 64 }}`, `{{ parseInt "x" 10 64 }}`, `{{ parseInt "300" 10 8 }}`, `{{ parseInt "10" 10 }}`, `{{ parseInt "18446744073709551615" 10 64 }}`, `{{ parseInt .Group.n 0 64 | printf "%03d" }}`, `{{ add 1 2 }}`,
	"a {{- 1 -}} b", "a\n{{- /* c */ -}}\nb", "{{/* c */}}x", "{{ /* c */ }}", "{{/* c }}", "{{- }}", "{{-1}}", "{{ 1 -}}  x", "{{1-}}", "{{", "{{}}", "}}", "{{ }}", "{{\n1\n}}", "{{ \"a\nb\" }}", "{{ `a\nb` }}", "{{ \"a }}", "{{ 'a }}", "{{ '' }}", "{{ 'ab' }}", "{{ 1a }}", "{{ .1a }}", "{{ ..Name }}", "{{ . Name }}", "{{ .Name. }}", "{{ $ }}", "{{ $.Name }}", "{{ $x.y }}", "{{ 1.Name }}", "{{ \"a\".Name }}", "{{ true }} {{ false }} {{ nil }}", "{{ print true }}", "{{ true.x }}", "{{ a.b }}", "{{ @ }}", "{{ 1,2 }}", "{{ x := 1 }}", "{{ $x := }}", "{{ $x : 1 }}", "{{ 9223372036854775807 }}", "{{ 9223372036854775808 }}", "{{ 1i }}",
}

// values for printf.
var values = []string{`"ab"`, `"é\n"`, `""`, "7", "-42", "0", "65", "255", "1.5", "-0.25", "1e7", "true", ".Match", ".Group", "nil", ".Name", "100000", `"a\tb"`}

// directive makes one of printf.
func directive(r *rand.Rand) string {
	b := "%"
	for range r.Intn(3) {
		b += string("-+0# "[r.Intn(5)])
	}
	if r.Intn(8) == 0 {
		b += []string{"[1]", "[2]", "[3]", "[0]", "[", "[x]"}[r.Intn(6)]
	}
	if r.Intn(3) == 0 {
		b += []string{"1", "5", "8", "*", "12"}[r.Intn(5)]
	}
	if r.Intn(3) == 0 {
		b += "." + []string{"", "0", "1", "3", "6", "*"}[r.Intn(6)]
	}
	if r.Intn(12) == 0 {
		b += "[1]"
	}
	return b + string("vvsssdddxXqtcUobOfeEgGzT%"[r.Intn(25)])
}

// judge asks Go.
func judge(text string) record {
	out := record{Text: text}
	parsed, err := template.New("answer").Funcs(functions).Parse(text)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	var b strings.Builder
	if err := parsed.Execute(&b, data); err != nil {
		out.Failed = fmt.Sprintf("%.60s", err)
		return out
	}
	out.Filled = b.String()
	if len(out.Filled) > 100 {
		out.Filled = fmt.Sprint(len(out.Filled), " octets")
	}
	return out
}

// long asks about a template that is too long to be written down.
func long(parts ...part) record {
	text := ""
	for _, part := range parts {
		text += strings.Repeat(part.Text, part.Count)
	}
	out := judge(text)
	out.Text, out.Repeat = "", parts
	return out
}

func main() {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	r := rand.New(rand.NewSource(19))
	for _, text := range byHand {
		encoder.Encode(judge(text))
	}
	for range 1800 {
		format, arguments := "", ""
		for range 1 + r.Intn(2) {
			format += directive(r) + "|"
		}
		for range r.Intn(4) {
			arguments += " " + values[r.Intn(len(values))]
		}
		encoder.Encode(judge("{{ printf " + strconv.Quote(format) + arguments + " }}"))
	}
	for _, count := range []int{100, 2000, 9000, 9999, 10000, 10001, 40000} {
		encoder.Encode(long(part{"{{ if .Name }}", count}, part{"x", 1}, part{"{{ end }}", count}))
		encoder.Encode(long(part{"{{ with .Name }}", count}, part{"x", 1}, part{"{{ end }}", count}))
		encoder.Encode(long(part{"{{ range 1 }}", count}, part{"x", 1}, part{"{{ end }}", count}))
		encoder.Encode(long(part{"{{ if eq .Name `x` }}a", 1}, part{"{{ else if eq .Name `y` }}b", count}, part{"{{ else }}c{{ end }}", 1}))
		encoder.Encode(long(part{"{{ with .Group.x }}a", 1}, part{"{{ else with .Group.y }}b", count}, part{"{{ else }}c{{ end }}", 1}))
		encoder.Encode(long(part{"{{ ", 1}, part{"(", count}, part{".Name", 1}, part{")", count}, part{" }}", 1}))
		encoder.Encode(long(part{"{{ .Name", 1}, part{" | print", count}, part{" }}", 1}))
		encoder.Encode(long(part{"{{ .Group", 1}, part{".n", count}, part{" }}", 1}))
		encoder.Encode(long(part{"{{ print", 1}, part{" 1", count}, part{" | len }}", 1}))
		encoder.Encode(long(part{"{{ $x := 1 }}", count}, part{"{{ $x }}", 1}))
		encoder.Encode(long(part{"{{ ", 1}, part{"print (", count}, part{".Name", 1}, part{")", count}, part{" }}", 1}))
		encoder.Encode(long(part{"{{ ", 1}, part{"and 1 (", count}, part{"1", 1}, part{")", count}, part{" }}", 1}))
	}
}
