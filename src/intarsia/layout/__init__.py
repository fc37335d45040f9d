"""Edit by layout: objects of a picture are moved, scaled, removed, rearranged, with their looks kept."""
