"""Strata and PyTorch exchange safetensors files in both directions.

    python3 tests/io/pytorch_safetensors_test.py [PEER]

PEER is the compiled safetensors_peer.cpp; without it, it is compiled with $CXX (g++). Exits with 0 when all is well, 1 when
not, 77 (skipped) where torch or safetensors cannot be imported.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
except ImportError as error:
    print(f"skipped: {error}; the exchange of files with PyTorch is not tested")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
INFINITY = float("inf")


def expected():
    weight = torch.arange(12, dtype=torch.float32) / 7 - 1
    weight[3], weight[4], weight[5] = -0.0, 2.0**-149, -INFINITY
    return {
        "conv1.weight": weight.reshape(2, 3, 2),
        'bn.scale "é"': torch.tensor([[0.1], [1e300]], dtype=torch.float64),
        "half": torch.tensor([1, -2.5, 2.0**-24, INFINITY]),
        "brain": torch.tensor([1, -2.5, 2.0**-133, INFINITY]),
        "bytes": torch.tensor([0, 128, 255], dtype=torch.uint8),
        "bn.num_batches_tracked": torch.tensor(2**40 + 1),
    }


def compile_peer(directory):
    peer = directory / "safetensors_peer"
    subprocess.run(
        [os.environ.get("CXX", "g++"), "-std=c++20", "-O1", f"-I{ROOT / 'include'}",
         str(ROOT / "tests/io/safetensors_peer.cpp"), "-o", str(peer)],
        check=True)
    return peer


def main():
    with tempfile.TemporaryDirectory(prefix="strata_io_") as name:
        directory = pathlib.Path(name)
        peer = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else compile_peer(directory)

        def run(mode, file):
            return subprocess.run([str(peer), mode, str(file)], capture_output=True, text=True)

        # Strata writes, PyTorch reads.
        written = directory / "strata.safetensors"
        assert run("write", written).returncode == 0
        loaded = load_file(written)
        tensors = expected()
        assert loaded.keys() == tensors.keys(), (loaded.keys(), tensors.keys())
        for key, tensor in tensors.items():
            got = loaded[key]
            assert got.dtype == tensor.dtype and got.shape == tensor.shape, key
            assert got.numpy().tobytes() == tensor.numpy().tobytes(), key
        with safe_open(written, framework="pt") as file:
            assert file.metadata() == {"format": "pt"}

        # PyTorch writes the same: the same bytes, and Strata reads them.
        saved = directory / "pytorch.safetensors"
        save_file(loaded, saved, metadata={"format": "pt"})
        assert saved.read_bytes() == written.read_bytes(), "the files of Strata and of safetensors differ"
        result = run("check", saved)
        assert result.returncode == 0, result.stderr

        # Half the size, as models are often published: Strata converts.
        tensors["half"] = tensors["half"].to(torch.float16)
        tensors["brain"] = tensors["brain"].to(torch.bfloat16)
        save_file(tensors, saved)
        result = run("check", saved)
        assert result.returncode == 0, result.stderr

        # And a wrong one is told apart, so that the checks above mean something.
        tensors["bytes"] = tensors["bytes"] + 1
        save_file(tensors, saved)
        result = run("check", saved)
        assert result.returncode == 1 and '"bytes" has other values' in result.stderr, result.stderr
    print("Strata and PyTorch read each other's files")


if __name__ == "__main__":
    main()
