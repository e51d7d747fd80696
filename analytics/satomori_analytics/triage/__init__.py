"""What to look at first (まず見る所) after an earthquake or a storm: all assets in order, each with its reasons."""
