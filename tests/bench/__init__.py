"""The paths that callers and ElevenLabs wait for, measured beside the least that could answer them."""
