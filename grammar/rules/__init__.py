"""What each language's own parser refuses and tree-sitter's grammar lets through."""
