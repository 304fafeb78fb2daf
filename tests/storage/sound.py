"""WAV files as Asterisk writes them: 8 kHz, mono, 16 bit."""

import io
import wave


def wav(seconds: float, sample: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(sample.to_bytes(2, "little") * round(seconds * 8000))
    return file.getvalue()


def unfinished(seconds: float) -> bytes:
    """While Asterisk writes it: the lengths in the header are still 0."""
    whole = wav(seconds)
    return whole[:4] + bytes(4) + whole[8:40] + bytes(4) + whole[44:]
