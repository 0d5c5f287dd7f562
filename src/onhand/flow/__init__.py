"""How work flows between the hub and the world: merging, and what makes a sick partner hurt only itself."""
