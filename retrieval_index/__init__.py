"""Code near the request: repositories cut into chunks, kept on disk, searched by words and vectors."""
