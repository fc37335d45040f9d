"""One file a tab of the page: its components and what their events do."""
