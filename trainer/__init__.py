"""How the adapters are made: control vectors, each stage resumable. See docs/steering.md."""
