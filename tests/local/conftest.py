from pathlib import Path

import pytest


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        pytest.fail(
            f"no {folder.name}/{pattern} in {folder.parent}: run offhook models fetch,"
            " or name the folder in OFFHOOK_MODELS"
        )
    return found[0]


@pytest.fixture(scope="session")
def gguf(models_folder: Path) -> Path:
    return _only(models_folder / "qwen2.5-coder-0.5b", "*.gguf")


@pytest.fixture(scope="session")
def voice_file(models_folder: Path) -> Path:
    return _only(models_folder / "piper-en_US-joe-medium", "*.onnx")
