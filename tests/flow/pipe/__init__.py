"""A connector whose partner is a list: it takes several commands in one request, in the words of its own mapping."""
