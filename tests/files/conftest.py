import pytest


@pytest.fixture
def path(tmp_path):
    """Where to write a model."""
    return tmp_path / "model.safetensors"
