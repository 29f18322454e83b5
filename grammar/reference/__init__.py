"""The engine's readable definition: slow, whole texts, no tables of its own. Tests compare the native core with it."""
