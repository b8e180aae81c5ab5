"""Work on files, away from the served app: data sets, training, scoring."""
