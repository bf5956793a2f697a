"""elaaoms gives ElevenLabs voice agents a memory of their callers."""

__version__ = "0.1.0"
