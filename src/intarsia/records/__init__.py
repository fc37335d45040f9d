"""What to do: records of plain values, which every way to a task builds and every output carries."""
