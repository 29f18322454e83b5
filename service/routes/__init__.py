"""One file per API shape. Every router carries the scope it asks for; a test finds any route that does not."""
