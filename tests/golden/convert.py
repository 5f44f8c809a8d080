#!/usr/bin/env python3
"""Turns recorded suites (queries, expected.jsonl, cluster.yaml) into the compact form of this folder.

usage: convert.py RECORDINGS OUT     RECORDINGS has one folder per family, each with one folder per suite

README.md describes both the form and how suites are recorded. What cannot be written compactly is written as JSON, so
nothing is lost; every suite is read back and compared before it counts as written.
"""
import hashlib, json, os, re, shutil, sys

SECTIONS = (("answer", "an"), ("authority", "au"), ("additional", "ad"))
DROPPED = ("queries", "expected.jsonl", "loose.json", "cluster.yaml")
# Python's expressions may look behind, those of the runner cannot; the mask covers the same on both sides either way.
MASKS = {"(?<=[.] )[A-Za-z0-9+/= ]{80,}$": "[.] [A-Za-z0-9+/= ]{80,}$"}
CLUSTERS = {}  # digest of a manifest -> its name in clusters/


def asked(line):
    """The question that a query line stands for."""
    name, qtype, *rest = line.split()
    qclass = next((w for w in rest if w in ("IN", "CH", "HS", "ANY", "NONE") or w.startswith("CLASS")), "IN")
    return f"{name if name.endswith('.') and not name.endswith(chr(92) + '.') else name + '.'} {qclass} {qtype}"


def write_answer(line, answer, keep_size):
    rest = {k: v for k, v in answer.items() if k != "query" and (k != "size" or keep_size)}
    out, question = [], rest.pop("question", None)
    if "rcode" in rest:
        out.append((rest.pop("rcode") + " " + rest.pop("flags")).rstrip())
        if line.startswith("!") or " hex=" in line or question != asked(line): out.append(f"question {question or '-'}")
    owner = question and question.split(" ")[0]
    for key, short in SECTIONS:
        for record in rest.pop(key, ()):
            name, tail = record.split(" ", 1)
            out.append(f"{short} {'@' if name == owner else name} {tail}")
    if "edns" in rest:
        e = rest.pop("edns")
        words = [str(e["payload"])] + ["do"] * e["do"] + [f"v{e.get('version')}"] * ("version" in e) + e.get("options", [])
        out.append("edns " + " ".join(words))
    if rest: out.append("json " + json.dumps(rest))
    return out


def read_answer(line, out):
    answer, owner = {}, None
    for text in out:
        word, _, rest = text.partition(" ")
        section = next((key for key, short in SECTIONS if short == word), None)
        if section: answer.setdefault(section, []).append(owner + rest[1:] if rest.startswith("@ ") else rest)
        elif word == "question": answer["question"] = rest; owner = rest.split(" ")[0]
        elif word == "json": answer.update(json.loads(rest))
        elif word == "edns":
            payload, *words = rest.split(" ")
            e = answer["edns"] = {"payload": int(payload), "do": "do" in words}
            for w in words:
                if w[0] == "v": e["version"] = int(w[1:])
                elif w != "do": e.setdefault("options", []).append(w)
        else:
            answer.update(rcode=word, flags=rest, question=asked(line) if not line.startswith("!") else None)
            owner = answer["question"] and answer["question"].split(" ")[0]
    if answer.get("question") in (None, "-"): answer.pop("question", None)
    return answer


def cluster(suite, name, out):
    """Writes the suite's manifest to clusters/, once for all suites that share it."""
    path = next(p for p in (f"{suite}/cluster.yaml", f"{suite}/../cluster.yaml") if os.path.exists(p))
    text, forbidden = open(path).read(), []
    if "\n- kind: FakeApi\n" in text:
        text, tail = text.split("- kind: FakeApi\n")
        forbidden = [l.strip()[2:] for l in tail.splitlines() if l.strip().startswith("- ")]
    text = re.sub(r"(?m)^( *[\w.-]+: )([yYnN])$", r'\1"\2"', text)  # a boolean to some readers of YAML
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest not in CLUSTERS:
        CLUSTERS[digest] = name if path.startswith(f"{suite}/cluster") and not forbidden else "base"
        os.makedirs(f"{out}/clusters", exist_ok=True)
        open(f"{out}/clusters/{CLUSTERS[digest]}.yaml", "w").write(text)
    lines = [f"../../clusters/{CLUSTERS[digest]}.yaml"] + [f"forbid {plural}" for plural in forbidden]
    return "\n".join(lines) + "\n"


def convert(suite, family, name, out):
    target = f"{out}/{family}/{name}"
    shutil.copytree(suite, target, ignore=lambda d, fs: [f for f in fs if d == suite and f in DROPPED], copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(target): os.chmod(folder, 0o755)
    loose = json.load(open(f"{suite}/loose.json")) if os.path.exists(f"{suite}/loose.json") else {}
    for options in loose.values():
        if "mask" in options: options["mask"] = [MASKS.get(m, m) for m in options["mask"]]
    answers = [json.loads(l) for l in open(f"{suite}/expected.jsonl")]
    for answer in answers:  # name servers are the machine's addresses, or a Service that has one of them
        if family == "defaults" and answer.get("question", "").endswith(".local. IN NS"):
            loose.setdefault(answer["query"], {})["host"] = True
    if loose: open(f"{target}/loose.json", "w").write(json.dumps(loose, indent=1) + "\n")
    with open(f"{target}/cases", "w") as f:
        for raw in open(f"{suite}/queries"):
            line = raw.split("#")[0].strip()
            if len(line.split()) == 1 and line != "!join": continue  # a name without a type was never asked
            f.write(raw.rstrip() + "\n")
            if not line or line.split()[0] in ("!copy", "!remove", "!sleep", "!join"): continue
            answer = answers.pop(0)
            assert answer["query"] == line, (suite, line, answer["query"])
            keep = {**loose.get("*", {}), **loose.get(line, {})}.get("size")
            lines = write_answer(line, answer, keep)
            back = read_answer(line, lines)
            same = {k: v for k, v in answer.items() if k != "query" and (k != "size" or keep)}
            assert back == same, (suite, line, back, same)
            f.writelines(f"  {l}\n" for l in lines)
    assert not answers, suite
    if "{$API}" in open(f"{suite}/Corefile").read(): open(f"{target}/cluster", "w").write(cluster(suite, name, out))


def main(recordings, out):
    for family in ("kubernetes", "plugins", "defaults"):
        shutil.rmtree(f"{out}/{family}", ignore_errors=True)
        names = sorted(d for d in os.listdir(f"{recordings}/{family}") if os.path.exists(f"{recordings}/{family}/{d}/queries"))
        for name in names: convert(f"{recordings}/{family}/{name}", family, name, out)


if __name__ == "__main__": main(*sys.argv[1:])
