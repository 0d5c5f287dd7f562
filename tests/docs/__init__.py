"""The documentation as a tested product: it is complete, its links lead somewhere, its snippets do what they show."""
