"""Names of devices: found, or refused in a sentence."""

import pytest
import torch

from i2i_tutor import devices


@pytest.fixture(params=[0, 1, 3])
def gpus(request, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    return request.param


def test_a_device_is_found(gpus):
    assert devices.find("cpu") == torch.device("cpu")
    assert devices.find() == torch.device("cuda" if gpus else "cpu")
    assert devices.find(torch.device("meta")) == torch.device("meta")
    for number in range(gpus):
        assert devices.find(f"cuda:{number}") == torch.device("cuda", number)


@pytest.mark.parametrize(
    "name", ["gpu", "", "cpu:0", "cuda:", "cuda:-1", "cuda:1e9", "CUDA", "cuda:99999999999", 3, b"cpu", []]
)
def test_another_name_is_refused(name, gpus):
    with pytest.raises(ValueError, match="expected cpu, cuda, or one of several GPUs like cuda:1") as error:
        devices.find(name)
    assert repr(name) in str(error.value)


def test_a_gpu_that_is_not_there_is_refused(gpus):
    seen = {0: "no GPU here", 1: "one GPU here", 3: "3 GPUs, cuda:0 to cuda:2, here"}[gpus]
    with pytest.raises(ValueError, match=f"device is 'cuda:3', but torch sees {seen}"):
        devices.find("cuda:3")
    if not gpus:
        with pytest.raises(ValueError, match="device is 'cuda', but torch sees no GPU here"):
            devices.find("cuda")
