"""Scripts that run inside the sandbox, by themselves: nothing of ours can be imported there."""
