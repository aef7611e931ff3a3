"""Results carry where they come from."""

import subprocess
import sys
from pathlib import Path

import torch

import i2i_tutor
from i2i_tutor.measuring.provenance import provenance

ROOT = Path(__file__).parents[2]


def test_provenance_says_where_numbers_come_from():
    about = provenance(torch.device("cpu"))
    assert about["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert about["versions"]["i2i-tutor"] == i2i_tutor.__version__
    assert about["peak_memory_mib"] > 50
    assert "CPU" in about["device"]


def test_the_peak_memory_is_this_process_s_own_and_not_its_parent_s():
    code = (
        "import subprocess, sys; held = bytearray(b'x' * 1_500_000_000);"
        "subprocess.run([sys.executable, '-c', 'from i2i_tutor.measuring.provenance import provenance; import torch;"
        'print(provenance(torch.device("cpu"))["peak_memory_mib"])\'], check=True)'
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert 50 < float(said) < 1400
