"""What Onhand does in a second on this machine, each figure beside the floor that was measured in the same run."""
