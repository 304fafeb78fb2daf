"""Nothing that we use reports to anybody."""

import os
import subprocess
import sys


def test_onnxruntime_keeps_no_diary_and_sends_none(tmp_path, models_folder):
    """Its telemetry begins with a device's id and a database in the home folder."""
    model = models_folder / "silero-vad" / "silero_vad.onnx"
    code = (
        "import agent; from pathlib import Path; from agent.media.vad import Vad;"
        f"Vad(Path({str(model)!r})).warm()"
    )
    home = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    subprocess.run([sys.executable, "-c", code], env=home, check=True, timeout=60)
    assert not (tmp_path / ".cache" / "Microsoft").exists()
