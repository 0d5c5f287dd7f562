"""A sound connector that claims all there is to claim: the ground from which each broken one departs in one thing."""
