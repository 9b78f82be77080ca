"""Strata reads every safetensors header that the reference implementation reads, and finds the same in it.

    python3 tests/io/reference_safetensors_test.py [ROUNDS [SEED]]

Headers made at random from the format's parts, right and wrong ones, are given to both. Compiles safetensors_peer.cpp with
$CXX (g++). Exits with 0 when all is well, 1 when not, 77 (skipped) where safetensors cannot be imported.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

try:
    import safetensors
except ImportError as error:
    print(f"skipped: {error}; headers are not compared with the reference")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZES = {"F32": 4, "F64": 8, "I64": 8, "F16": 2, "BF16": 2, "U8": 1, "I32": 4, "BOOL": 1, "F8_E4M3": 1, "C64": 8}


def value(rng, depth=0):
    kind = rng.randrange(9 if depth < 4 else 6)
    if kind == 0:
        return rng.choice(["0", "1", "-1", "-0", "1.5", "1e3", "18446744073709551616", "01", "1.", "+1", "NaN"])
    if kind == 1:
        return rng.choice(["null", "true", "false", "nul", "True"])
    if kind < 6:
        return rng.choice(['"a"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\x"', '"é"', '"\x01"', '"'])
    if kind < 8:
        return "[" + ",".join(value(rng, depth + 1) for _ in range(rng.randrange(3))) + "]"
    return "{" + ",".join(f'"{k}":{value(rng, depth + 1)}' for k in rng.choices("abc", k=rng.randrange(3))) + "}"


def space(rng):
    return rng.choice(["", "", "", " ", "\n\t", "\r", "\f", "\ufeff"]) if rng.random() < 0.05 else ""


def one_of(rng, usual, odd, chance=0.03):
    return rng.choice(odd) if rng.random() < chance else usual


def header(rng):
    entries, at = [], 0
    for _ in range(rng.randrange(4)):
        dtype = rng.choice(list(SIZES))
        shape = [rng.choice([0, 1, 2, 3]) for _ in range(rng.randrange(4))]
        count = SIZES[dtype]
        for extent in shape:
            count *= extent
        begin, end = at, at + count
        extents = ",".join(one_of(rng, str(e), ["-1", "1.0", "9223372036854775807", "4611686018427387904", "null"])
                           for e in shape)
        members = [f'"dtype":{one_of(rng, json.dumps(dtype), [chr(34) + "f32" + chr(34), "7", value(rng)])}',
                   f'"shape":{one_of(rng, "[" + extents + "]", ["null", "{}", value(rng)])}',
                   f'"data_offsets":[{begin},{one_of(rng, str(end), [str(end + 1), "-1", str(begin), "0"])}'
                   + one_of(rng, "", [",1", ","]) + "]"]
        rng.shuffle(members)
        while rng.random() < 0.1:
            members.insert(rng.randrange(len(members) + 1), f'"{rng.choice(["x", "y", "Dtype", ""])}":{value(rng)}')
        if rng.random() < 0.03:
            members.append(rng.choice(members))
        if rng.random() < 0.03:
            members.pop(rng.randrange(len(members)))
        name = rng.choice(["a", "b", "c", "d", "é", "", "\\u0061", "\\ud83d\\ude00", "fc.weight"])
        entries.append(f'{space(rng)}"{name}"{space(rng)}:{space(rng)}{{{",".join(members)}}}{space(rng)}')
        at = end
    if rng.random() < 0.3:
        entries.append('"__metadata__":' + rng.choice(["null", "{}", '{"a":"1"}', '{"a":"1","a":"2"}', '{"a":1}', "[]",
                                                       '{"a":null}', value(rng)]))
    rng.shuffle(entries) if rng.random() < 0.5 else None
    text = f"{space(rng)}{{{','.join(entries)}}}{space(rng)}" + one_of(rng, "", [" ", "x", "\0", "{}"])
    return text.encode("utf-8", "surrogatepass"), one_of(rng, at, [at + 1, max(at - 1, 0)], 0.02)


def quoted(name):
    return json.dumps(name, ensure_ascii=False)


def reference(text, data_bytes):
    try:
        tensors = dict(safetensors.deserialize(len(text).to_bytes(8, "little") + text + bytes(data_bytes)))
    except Exception as error:  # every refusal
        return f"- {error}"
    line = "+"
    for name in sorted(tensors, key=lambda n: n.encode()):
        tensor = tensors[name]
        line += f" {quoted(name)} {tensor['dtype']}[{', '.join(map(str, tensor['shape']))}]{len(tensor['data'])}"
    return line


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    cases = [header(rng) for _ in range(rounds)]
    with tempfile.TemporaryDirectory(prefix="strata_io_") as name:
        peer, file = pathlib.Path(name) / "peer", pathlib.Path(name) / "headers"
        subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O1", f"-I{ROOT / 'include'}",
                        str(ROOT / "tests/io/safetensors_peer.cpp"), "-o", str(peer)], check=True)
        file.write_bytes(b"".join(len(text).to_bytes(8, "little") + size.to_bytes(8, "little") + text
                                  for text, size in cases))
        lines = subprocess.run([str(peer), "judge", str(file)], capture_output=True, check=True).stdout
    mine = lines.decode().splitlines()
    assert len(mine) == rounds, (len(mine), rounds)
    accepted, stricter, laxer = 0, 0, 0
    for (text, size), line in zip(cases, mine):
        expected = reference(text, size)
        accepted += expected[0] == "+"
        if expected[0] == "+" and line != expected:
            stricter += 1
            print(f"{text} with {size} bytes of data\n  reference {expected}\n  strata    {line}")
        if expected[0] == "-" and line[0] == "+":
            laxer += 1
            if "-v" in sys.argv:
                print(f"{text} with {size} bytes of data\n  reference {expected}\n  strata    {line}")
    print(f"{rounds} headers, {accepted} read by safetensors {safetensors.__version__}: {stricter} of them not by Strata or "
          f"otherwise; {laxer} read by Strata alone")
    assert accepted > rounds // 10
    sys.exit(1 if stricter else 0)


if __name__ == "__main__":
    main()
